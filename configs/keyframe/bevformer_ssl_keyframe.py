# Phase 1 on one real nuScenes keyframe, with hand-drawn 2-D labels instead of those of a teacher.
# The folder is $SSL_BEV_SHARED/data/nuscenes_keyframe; for single frames a stock mmdet3d info file is enough.
# `ignore_cameras` of the training labels leaves a camera out of the loss; its image is still an input.
_base_ = '../synthetic/_base_.py'
data_root = '{{$SSL_BEV_SHARED:../shared}}/data/nuscenes_keyframe'
coarse = list(_base_.coarse_classes)

image = [
    dict(type='LoadBEVImages'),
    # The lower part of the half-size image, since paint needs a high resolution.
    dict(type='ResizeCropFlipImages', size=(320, 800), training=False),
]
labels = dict(
    type='LoadPseudoLabels',
    root=data_root,
    label_map='mapillary_v1',
    label_file='labels/{camera}.png',
    confidence_file=None,
    manifest=None,
    stride=2,
)
keyframe = dict(
    type='BEVDataset',
    data_root=data_root,
    ann_file='n015-2018-07-24-11-22-45+0800.pkl',
    with_labels=False,
    pipeline=[*image, {**labels, 'ignore_cameras': []}, dict(type='PackBEVInputs')],
)
loader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False))
train_dataloader = dict(**loader, dataset=dict(type='RepeatDataset', dataset=keyframe, times=25))
val_dataloader = dict(
    _delete_=True,
    **loader,
    dataset=dict(
        **{**keyframe, 'pipeline': [*image, {**labels, 'stride': 1}, dict(type='PackBEVInputs')]}, test_mode=True
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='ReprojectedIoUMetric', classes=coarse)
test_evaluator = val_evaluator

grid = dict(cell_size=0.125)
model = dict(
    seg_head=dict(grid=grid, num_upsamples=3, predict_classes='coarse'),
    # A single frame has no map to match: paint keeps its width.
    objectives=dict(
        reprojection=dict(loss=dict(positive_weight=[1.0, 1.5, 1.5]), area_power=0.3, line_width=dict(_delete_=True))
    ),
)
train_cfg = dict(max_epochs=7, val_interval=7)
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='TwoPhaseHook', phases=[dict(name='pretrain', epochs=7, losses=dict(reprojection=1.0))]),
]
