# No more steps than it takes to get as far as supervised training does in 3000.
_base_ = './completed_only.py'
train_cfg = dict(max_epochs=20)
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases[-1].epochs = 20
