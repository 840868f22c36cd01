# A network that learns to draw labels on the labelled scenes (half of them): from accumulated pseudo-labels to BEV labels
# of registered maps. tools/prepare_targets.py trains it, and makes the targets that configs/bevformer_ssl_completed.py
# trains on.
_base_ = ['./_base_/bevformer_tiny_nuscenes.py', './_base_/models/map_completion.py']
evidence_classes = list(_base_.coarse_classes)
evidence = dict(type='LoadAccumulatedTargets', root=f'{_base_.data_root}/accumulated', classes=evidence_classes)
turn = dict(type='BEVFlipRotate', flip_x=0.5, flip_y=0.5, max_rotation=0.35)
pack = dict(type='PackEvidence')
stack = dict(batch_size=4, collate_fn=dict(type='default_collate'))
labelled = dict(_base_.labelled_dataloader.dataset, num_frames=1, label_fraction=0.5, label_dir='bev_labels_registered')
labelled['pipeline'] = [evidence, dict(type='LoadBEVMasks'), turn, pack]
train_dataloader = dict(_base_.labelled_dataloader, dataset=labelled)
train_dataloader.update(stack)
every_frame = dict(_base_.ssl_dataloader.dataset, num_frames=1, pipeline=[evidence, pack])
test_dataloader = dict(_base_.val_dataloader, dataset=every_frame)
test_dataloader.update(stack)
val_dataloader, val_cfg, val_evaluator = None, None, None
model = dict(_delete_=True, **_base_.map_completion)
model['classes'] = evidence_classes
model['backbone']['in_channels'] = 2 * len(evidence_classes)
model['seg_head'] = dict(_base_.model.seg_head, **_base_.map_completion_head)
model['loss'] = _base_.model.objectives.seg.loss
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=4e-3), paramwise_cfg=dict(_delete_=True))
param_scheduler = dict(_delete_=True, type='CosineAnnealingLR', by_epoch=False, begin=0, eta_min_ratio=0.01)
train_cfg = dict(max_epochs=12)
