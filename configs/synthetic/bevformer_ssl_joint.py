# Labels and pseudo-labels at once: a 2-D stage for the image backbone, then batches of labelled frames (half of the
# scenes) and of any frames, all with targets that tools/accumulate_pseudo_labels.py made of the pseudo-labels.
_base_ = './_base_.py'
targets = dict(type='LoadAccumulatedTargets', root=f'{_base_.data_root}/accumulated')
labels = [_base_.pseudo_labels, dict(type='LoadBEVMasks'), targets]
single = dict(num_frames=1, pipeline=[*_base_.images, *labels, *_base_.augment_and_pack])
labelled = dict(_base_.labelled_dataloader.dataset, label_fraction=0.5, **single)
unlabelled = dict(_base_.ssl_dataloader.dataset, **single)
joint_dataloader = dict(_base_.loader, num_workers=1, batch_size=2)
joint_dataloader['sampler'] = dict(type='MixedSourceSampler', per_batch=[1, 1])
joint_dataloader['dataset'] = dict(type='ConcatDataset', datasets=[labelled, unlabelled])
train_dataloader = dict(_base_.ssl_dataloader, dataset=unlabelled)
train_cfg = dict(max_epochs=6, val_interval=6)
model = dict(accumulated_loss=dict(type='SegmentationLoss', positive_weight=[1.0, 10.0, 6.0], dice_weight=0.5))
custom_hooks = [
    *_base_.custom_hooks,
    dict(
        type='TwoPhaseHook',
        phases=[
            dict(name='perspective', epochs=2, losses=dict(loss_perspective=1.0)),
            dict(
                name='joint',
                epochs=4,
                losses=dict(loss_seg=1.0, loss_accumulated=1.0, loss_perspective=0.5),
                train_dataloader='joint_dataloader',
            ),
        ],
    ),
]
