# Four times the steps: what is left to learn from completed maps of all frames.
_base_ = './completed_long.py'
train_cfg = dict(max_epochs=144, val_interval=16)
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases[-1].epochs = 144
