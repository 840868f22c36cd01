# CenterPoint learns its boxes, and road and paint from the pseudo-labels of the cameras, without map labels. The losses of
# the boxes are active from the first step, so only the map and the shared features are pretrained.
_base_ = './_base_/centerpoint_auxiliary.py'
train_cfg = dict(max_epochs=4, val_interval=4)
pretrain = dict(name='pretrain', epochs=4, losses=dict(reprojection=1.0))
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=[pretrain])]

# Phase 1 learns the coarse classes of the pseudo-labels.
model = dict(seg_head=dict(predict_classes='coarse'))
map_evaluator = dict(type='BEVIoUMetric', classes=list(_base_.coarse_classes), merge=_base_.coarse_classes)
val_evaluator = [_base_.box_evaluator, map_evaluator]
test_evaluator = val_evaluator
