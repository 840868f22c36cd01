# Control: the baseline with as many steps as the longest schedule of ours.
_base_ = './supervised.py'
train_cfg = dict(max_epochs=144, val_interval=16)
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases[-1].epochs = 144
