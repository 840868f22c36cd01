# Labels and pseudo-labels at once: a 2-D stage for the image backbone, then batches of labelled frames (half of the
# scenes) and of any frames, all with targets that tools/accumulate_pseudo_labels.py made of the pseudo-labels.
_base_ = './_base_/bevformer_tiny_nuscenes.py'
targets = dict(type='LoadAccumulatedTargets', root=f'{_base_.data_root}/accumulated')
joint_pipeline = [*_base_.ssl_pipeline[:3], dict(type='LoadBEVMasks'), targets, *_base_.ssl_pipeline[3:]]
labelled = dict(_base_.labelled_dataloader.dataset, label_fraction=0.5, pipeline=joint_pipeline)
unlabelled = dict(_base_.ssl_dataloader.dataset, pipeline=joint_pipeline)
joint_dataloader = dict(
    **_base_.loader,
    sampler=dict(type='MixedSourceSampler', per_batch=[1, 1]),
    dataset=dict(type='ConcatDataset', datasets=[labelled, unlabelled]),
)
joint_dataloader['batch_size'] = 2
train_dataloader = _base_.ssl_dataloader
model = dict(accumulated_loss=dict(type='SegmentationLoss', positive_weight=[1.0, 3.0, 2.0], dice_weight=0.5))
custom_hooks = [
    *_base_.custom_hooks,
    dict(
        type='TwoPhaseHook',
        phases=[
            dict(name='perspective', epochs=4, losses=dict(loss_perspective=1.0)),
            dict(
                name='joint',
                epochs=20,
                losses=dict(loss_seg=1.0, loss_accumulated=1.0, loss_perspective=0.5),
                train_dataloader='joint_dataloader',
            ),
        ],
    ),
]
