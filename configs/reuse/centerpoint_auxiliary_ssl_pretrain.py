# CenterPoint learns its boxes, and from the cameras' pseudo-labels where road and paint are: no map label. Boxes count
# from the first step, so what is pretrained is the map, and the features that both share.
_base_ = './_base_/centerpoint_auxiliary.py'
train_cfg = dict(max_epochs=4, val_interval=4)
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='TwoPhaseHook', phases=[dict(name='pretrain', epochs=4, losses=dict(reprojection=1.0))]),
]

# What is learnt here are the pseudo-labels' coarse classes.
model = dict(seg_head=dict(predict_classes='coarse'))
map_evaluator = dict(type='BEVIoUMetric', classes=list(_base_.coarse_classes), merge=_base_.coarse_classes)
val_evaluator = [_base_.box_evaluator, map_evaluator]
test_evaluator = val_evaluator
