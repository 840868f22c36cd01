# Phase 1 without BEV labels: reprojection against pseudo-labels, and temporal consistency.
_base_ = './_base_/bevformer_tiny_nuscenes.py'
train_dataloader = _base_.ssl_dataloader
train_cfg = dict(max_epochs=12, val_interval=12)
pretrain = dict(name='pretrain', epochs=12, losses=dict(reprojection=1.0, temporal=0.5, perspective=0.5))
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=[pretrain])]

# Phase 1 learns the coarse classes of the pseudo-labels.
model = dict(seg_head=dict(predict_classes='coarse'))
val_evaluator = dict(classes=list(_base_.coarse_classes), merge=_base_.coarse_classes)
test_evaluator = val_evaluator
