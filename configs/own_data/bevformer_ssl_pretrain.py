# Phase 1 on your own cameras, without BEV labels: maps are evaluated in the images of split val, against pseudo-labels.
_base_ = './_base_.py'
train_dataloader = _base_.ssl_dataloader
train_cfg = dict(max_epochs=12, val_interval=12)
pretrain = dict(name='pretrain', epochs=12, losses=dict(reprojection=1.0, temporal=0.5, perspective=0.5))
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=[pretrain])]
pipeline = [*_base_.test_pipeline[:2], _base_.pseudo_labels, _base_.test_pipeline[-1]]
val_dataloader = dict(dataset=dict(with_labels=False, pipeline=pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='ReprojectedIoUMetric', classes=_base_.names)
test_evaluator = val_evaluator
