# Twice the steps: completed maps of all frames are enough data for more than the default schedule sees.
_base_ = './completed_only.py'
train_cfg = dict(max_epochs=72, val_interval=8)
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases[-1].epochs = 72
