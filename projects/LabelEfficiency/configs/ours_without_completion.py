# Ours with a scene's votes as they are: a second task, of the teacher's classes, beside registered BEV labels in half
# of each batch.
_base_ = './_base_.py'
votes_and_labels = [*_base_.images, _base_.pseudo_labels, _base_.bev_labels, _base_.votes, *_base_.augment_and_pack]
train_dataloader = _base_.frame_dataloader
labelled = dict(_base_.labelled_dataloader.dataset, label_dir='bev_labels_registered', pipeline=votes_and_labels)
others = dict(_base_.frame_dataloader.dataset, pipeline=votes_and_labels)
train_dataloader.dataset = dict(type='ConcatDataset', datasets=[labelled, others])
train_dataloader.sampler = dict(type='MixedSourceSampler', per_batch=[1, 1])
model = dict(img_backbone=dict(init_cfg=_base_.teacher_backbone))
phases = [dict(name='joint', epochs=10, losses=dict(seg=1.0, accumulated=1.0, perspective=0.5))]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
