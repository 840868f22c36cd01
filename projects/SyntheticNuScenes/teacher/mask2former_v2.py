# A small Mask2Former for the synthetic world, with the class names of Mapillary Vistas v2.0, from scratch on a CPU.
# Images are enlarged by 2, so that masks at a quarter of that size can represent a line of two pixels.
default_scope = 'mmseg'
teacher = 'projects.SyntheticNuScenes.teacher'
parts = (
    'teacher_town',
    'contrast_resnet',
    'coarse_fpn',
    'semantic_mask2former_head',
)
custom_imports = dict(imports=['ssl_bev.engine', *[f'{teacher}.{part}' for part in parts]])
data_root = '{{$SSL_BEV_TEACHER_TOWN:data/synthetic_teacher_town}}'
max_iters = 9000
# The names that occur in the synthetic world.
classes = [
    *('Road', 'Parking', 'Manhole', 'Curb', 'Sidewalk', 'Terrain', 'Lane Marking - Crosswalk'),
    *('Lane Marking - Straight Line', 'Lane Marking - Dashed Line', 'Lane Marking - Zigzag Line'),
    *('Lane Marking - Stop Line', 'Lane Marking - Arrow (Left)', 'Lane Marking - Arrow (Right)'),
    *('Lane Marking - Arrow (Straight)', 'Lane Marking - Arrow (Split Left or Straight)'),
    *('Lane Marking - Arrow (Split Right or Straight)', 'Lane Marking - Text', 'Lane Marking - Hatched (Diagonal)'),
    *('Building', 'Vegetation', 'Sky', 'Temporary Barrier', 'Traffic Cone', 'Street Light', 'Pole'),
    *('Person', 'Bicyclist', 'Motorcyclist', 'Bicycle', 'Motorcycle', 'Car', 'Truck', 'Bus', 'Ego Vehicle'),
]
num_classes = len(classes)
paint = [name.startswith('Lane Marking') for name in classes]
# Classes that are easily confused with road: large and often hidden, or thin and rare.
paint_weight = {name: 2.0 for name in classes if name.startswith('Lane Marking')}
paint_weight.update({'Lane Marking - Crosswalk': 3.0, 'Lane Marking - Stop Line': 3.0})
channels = 64
crop_size = (192, 512)

attention = dict(embed_dims=channels, num_heads=4, batch_first=True)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[110.0, 110.0, 110.0],
        std=[60.0, 60.0, 60.0],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=crop_size,
        test_cfg=dict(size_divisor=32),
    ),
    backbone=dict(
        type='ContrastResNet',
        depth=18,
        stem_channels=24,
        base_channels=24,
        out_indices=(0, 1, 2, 3),
        norm_cfg=dict(type='BN'),
        init_cfg=None,
    ),
    # Top-down context: one layer of deformable attention sees too little around a pixel to fill a zebra crossing.
    neck=dict(
        type='CoarseFPN', in_channels=[24, 48, 96, 192], out_channels=channels, num_outs=3, norm_cfg=dict(type='BN')
    ),
    decode_head=dict(
        type='SemanticMask2FormerHead',
        pixel_weight=[paint_weight.get(name, 1.0) for name in classes],
        pixel_odds=[10.0 if painted else 1.0 for painted in paint],
        in_channels=[24, channels, channels, channels],
        strides=[4, 8, 16, 32],
        feat_channels=channels,
        out_channels=channels,
        num_classes=num_classes,
        num_queries=num_classes,
        num_transformer_feat_level=3,
        align_corners=False,
        pixel_decoder=dict(
            type='mmdet.MSDeformAttnPixelDecoder',
            num_outs=3,
            norm_cfg=dict(type='GN', num_groups=16),
            act_cfg=dict(type='ReLU'),
            encoder=dict(
                num_layers=1,
                layer_cfg=dict(
                    self_attn_cfg=dict(num_levels=3, num_points=2, dropout=0.0, **attention),
                    ffn_cfg=dict(embed_dims=channels, feedforward_channels=128, num_fcs=2, ffn_drop=0.0),
                ),
            ),
            positional_encoding=dict(num_feats=channels // 2, normalize=True),
        ),
        enforce_decoder_input_project=False,
        positional_encoding=dict(num_feats=channels // 2, normalize=True),
        transformer_decoder=dict(
            return_intermediate=True,
            num_layers=2,
            layer_cfg=dict(
                self_attn_cfg=dict(attn_drop=0.0, proj_drop=0.0, **attention),
                cross_attn_cfg=dict(attn_drop=0.0, proj_drop=0.0, **attention),
                ffn_cfg=dict(embed_dims=channels, feedforward_channels=256, num_fcs=2, ffn_drop=0.0, add_identity=True),
            ),
        ),
        # Unused: the losses are SemanticMask2FormerHead's own.
        loss_cls=dict(type='mmdet.CrossEntropyLoss', class_weight=[1.0] * (num_classes + 1)),
        train_cfg=None,
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(704, 256), ratio_range=(0.8, 1.4), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale_factor=2.0, keep_ratio=True),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=2,  # in each of two processes
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    # Images with rare classes are drawn more often.
    dataset=dict(
        type='ClassBalancedDataset',
        oversample_thr=0.3,
        dataset=dict(type='TeacherTown', data_root=data_root, metainfo=dict(classes=classes), pipeline=train_pipeline),
    ),
)

optim_wrapper = dict(
    type='BF16OptimWrapper',
    optimizer=dict(type='AdamW', lr=8e-4, weight_decay=0.05),
    clip_grad=dict(max_norm=5.0),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys=dict(
            query_embed=dict(decay_mult=0.0), query_feat=dict(decay_mult=0.0), level_embed=dict(decay_mult=0.0)
        ),
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=200),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=False, begin=200, end=max_iters),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1000, max_keep_ckpts=1),
)
log_processor = dict(by_epoch=False)
custom_hooks = [dict(type='ChannelsLastHook')]
randomness = dict(seed=0)
