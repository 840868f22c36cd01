# Labels and pseudo-labels at once: a 2-D stage for the image backbone, then batches of labelled frames (half of the
# scenes, their maps fitted by tools/register_labels.py) and of any frames. On all of them, maps that the network of
# configs/map_completion.py completed teach the BEV classes.
_base_ = './_base_/bevformer_tiny_nuscenes.py'
completed = dict(type='LoadAccumulatedTargets', root=f'{_base_.data_root}/completed', kind='self')
joint_pipeline = [*_base_.ssl_pipeline[:3], dict(type='LoadBEVMasks'), completed, *_base_.ssl_pipeline[3:]]
labelled = dict(_base_.labelled_dataloader.dataset, label_fraction=0.5, pipeline=joint_pipeline)
labelled['label_dir'] = 'bev_labels_registered'
unlabelled = dict(_base_.ssl_dataloader.dataset, pipeline=joint_pipeline)
joint_dataloader = dict(_base_.loader, batch_size=2, sampler=dict(type='MixedSourceSampler', per_batch=[1, 1]))
joint_dataloader['dataset'] = dict(type='ConcatDataset', datasets=[labelled, unlabelled])
train_dataloader = _base_.ssl_dataloader
model = dict(self_loss=_base_.model.seg_head.loss)
joint = dict(loss_seg=1.0, loss_self=1.0, loss_perspective=0.5)
phases = [
    dict(name='perspective', epochs=4, losses=dict(loss_perspective=1.0)),
    dict(name='joint', epochs=20, losses=joint, train_dataloader='joint_dataloader'),
]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
