# Control: the baseline with a stage in the image plane for the backbone, and an auxiliary loss there.
_base_ = './_base_.py'
train_dataloader = _base_.perspective_dataloader
train_cfg = dict(max_epochs=30)
phases = [
    dict(name='perspective', epochs=6, losses=dict(perspective=1.0)),
    dict(
        name='supervised',
        epochs=24,
        losses=dict(seg=1.0, perspective=0.5),
        train_dataloader='assisted_dataloader',
    ),
]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
