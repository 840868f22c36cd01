# The synthetic world for two CPU cores: small images, a small network from scratch. The folder can be set by
# SSL_BEV_SYNTHETIC.
_base_ = '../_base_/bevformer_tiny_nuscenes.py'
teacher = 'projects.SyntheticNuScenes.teacher'
custom_imports = dict(imports=[*_base_.custom_imports.imports, f'{teacher}.contrast_resnet'])
custom_hooks = [dict(type='ChannelsLastHook'), *_base_.custom_hooks]
data_root = '{{$SSL_BEV_SYNTHETIC:data/synthetic_nuscenes}}'
image_size = (128, 352)

images = [
    dict(type='LoadBEVImages'),
    dict(type='ResizeCropFlipImages', size=image_size, resize=(1.0, 1.1), crop_x='random'),
]
pseudo_labels = dict(
    type='LoadPseudoLabels',
    root=f'{data_root}/pseudo_labels',
    label_map='mapillary_v2',
    stride=1,
    num_frames=2,
    min_confidence=0.5,
)
augment_and_pack = [
    dict(type='JitterColors'),
    dict(type='PackBEVInputs'),
]
ssl_dataloader = dict(
    batch_size=1,
    num_workers=1,
    dataset=dict(data_root=data_root, num_frames=2, pipeline=[*images, pseudo_labels, *augment_and_pack]),
)
labelled_dataloader = dict(
    batch_size=2,
    num_workers=1,
    dataset=dict(
        data_root=data_root,
        num_frames=1,
        pipeline=[*images, dict(type='LoadBEVMasks'), *augment_and_pack],
    ),
)
test_pipeline = [
    dict(type='LoadBEVImages'),
    dict(type='ResizeCropFlipImages', size=image_size, training=False),
    dict(type='LoadBEVMasks'),
    dict(type='PackBEVInputs'),
]
val_dataloader = dict(
    num_workers=1, batch_size=1, dataset=dict(data_root=data_root, num_frames=1, pipeline=test_pipeline)
)
test_dataloader = val_dataloader

model = dict(
    data_preprocessor=dict(pad_size_divisor=1),
    # Paint is a few pixels wide: three stages, and features at a quarter of the image. As wide as the teacher's, and as
    # blind to how bright the day is.
    img_backbone=dict(
        type='mmseg.ContrastResNet',
        depth=18,
        stem_channels=24,
        base_channels=24,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(0, 1, 2),
        frozen_stages=-1,
        norm_cfg=dict(requires_grad=True),
        norm_eval=False,
        init_cfg=None,
    ),
    img_neck=dict(
        _delete_=True,
        type='SECONDFPN',
        in_channels=[24, 48, 96],
        out_channels=[32, 32, 32],
        upsample_strides=[1, 2, 4],
    ),
    bev_encoder=dict(
        bev_shape=(30, 60),
        in_channels=96,
        embed_dims=64,
        num_layers=2,
        feedforward_channels=128,
        # All classes are on the road: one point there instead of a pillar.
        z_range=(-0.5, 0.5),
        num_pillar_points=1,
        num_spatial_points=4,
        sampling_spread=0.25,
        dropout=0.0,
    ),
    seg_head=dict(in_channels=64, channels=32, num_upsamples=2),
    objectives=dict(
        seg=dict(loss=dict(positive_weight=[1.0, 6.0, 6.0, 4.0, 8.0])),
        perspective=dict(in_channels=96, channels=32),
    ),
)
# 1.7 times as fast as float32 on a CPU with bfloat16.
optim_wrapper = dict(type='BF16OptimWrapper', optimizer=dict(lr=2e-3), paramwise_cfg=dict(_delete_=True))
param_scheduler = dict(_delete_=True, type='CosineAnnealingLR', by_epoch=False, begin=0, eta_min_ratio=0.01)
env_cfg = dict(dist_cfg=dict(backend='gloo'))
log_processor = dict(window_size=10)  # as long as the interval of the logger
default_hooks = dict(logger=dict(interval=10))
