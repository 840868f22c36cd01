# Labels and pseudo-labels at once: batches of labelled frames (half of the scenes, their maps fitted by
# tools/register_labels.py) and of any frames. On all of them, maps that the network of
# configs/synthetic/map_completion.py completed teach the BEV classes.
_base_ = './_from_teacher_.py'
completed = dict(type='LoadAccumulatedTargets', root=f'{_base_.data_root}/completed', kind='self')
labels = [_base_.pseudo_labels, dict(type='LoadBEVMasks'), completed]
single = dict(num_frames=1, pipeline=[*_base_.images, *labels, *_base_.augment_and_pack])
labelled = dict(_base_.labelled_dataloader.dataset, label_fraction=0.5, label_dir='bev_labels_registered', **single)
unlabelled = dict(_base_.ssl_dataloader.dataset, **single)
train_dataloader = dict(_base_.loader, num_workers=1, batch_size=2)
train_dataloader['sampler'] = dict(type='MixedSourceSampler', per_batch=[1, 1])
train_dataloader['dataset'] = dict(type='ConcatDataset', datasets=[labelled, unlabelled])
train_cfg = dict(max_epochs=4, val_interval=4)
model = dict(self_loss=_base_.model.seg_head.loss)
phases = [dict(name='joint', epochs=4, losses=dict(loss_seg=1.0, loss_self=1.0, loss_perspective=0.5))]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
