# How labels are drawn, learnt on the labelled scenes: from accumulated pseudo-labels to BEV labels.
_base_ = ['./_base_.py', '../../_base_/models/map_completion.py']
turn = dict(type='BEVFlipRotate', flip_x=0.5, flip_y=0.5, max_rotation=0.35)
pack = dict(type='PackEvidence')
stack = dict(num_workers=1, collate_fn=dict(type='default_collate'))
labelled = dict(_base_.labelled_dataset, pipeline=[_base_.targets, _base_.bev_labels, turn, pack])
train_dataloader = dict(_base_.labelled_dataloader, batch_size=4, dataset=labelled, **stack)
train_dataloader['sampler'] = dict(_base_.epoch, per_batch=[4])
every_frame = dict(_base_.single, pipeline=[_base_.targets, pack])
test_dataloader = dict(batch_size=4, dataset=dict(_delete_=True, **every_frame), **stack)
val_dataloader, val_cfg, val_evaluator = None, None, None
model = dict(_delete_=True, **_base_.map_completion)
model['classes'] = _base_.names
model['backbone']['in_channels'] = 2 * len(_base_.names)
model['seg_head'] = dict(_base_.model.seg_head, **_base_.map_completion_head)
model['loss'] = dict(_base_.model.objectives.completed.loss, positive_weight=[1.0, 3.0, 3.0, 3.0, 4.0])
optim_wrapper = dict(optimizer=dict(lr=4e-3))
train_cfg = dict(max_epochs=12)
default_hooks = dict(checkpoint=dict(save_best=None))
