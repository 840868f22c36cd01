# Phase 1: no BEV label. Reprojection against pseudo-labels, and consistency over time.
_base_ = './_base_/bevformer_tiny_nuscenes.py'
train_dataloader = _base_.ssl_dataloader
train_cfg = dict(max_epochs=12, val_interval=12)
custom_hooks = [
    *_base_.custom_hooks,
    dict(
        type='TwoPhaseHook',
        phases=[dict(name='pretrain', epochs=12, losses=dict(reprojection=1.0, temporal=0.5, perspective=0.5))],
    ),
]

# What is learnt here are the pseudo-labels' coarse classes.
model = dict(seg_head=dict(predict_classes='coarse'))
val_evaluator = dict(classes=list(_base_.coarse_classes), merge=_base_.coarse_classes)
test_evaluator = val_evaluator
