# BEVFormer-tiny's backbone and layers, with queries of 0.5 m over 60 m x 30 m and a segmentation head at 0.25 m.
grid = dict(x_range=(-30.0, 30.0), y_range=(-15.0, 15.0), cell_size=0.25)
classes = ('drivable_area', 'lane_divider', 'road_divider', 'ped_crossing', 'stop_line')
# The classes that a Mapillary Vistas v1 teacher distinguishes, with their BEV classes.
coarse_classes = dict(
    drivable=['drivable_area'],
    marking=['lane_divider', 'road_divider', 'stop_line'],
    crosswalk=['ped_crossing'],
)

model = dict(
    type='BEVSegmentor',
    data_preprocessor=dict(type='BEVDataPreprocessor', pad_size_divisor=32, non_blocking=True),
    img_backbone=dict(
        type='mmdet.ResNet',
        depth=50,
        num_stages=4,
        out_indices=(3,),
        frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='safe:https://download.pytorch.org/models/resnet50-0676ba61.pth'),
    ),
    img_neck=dict(
        type='mmdet.FPN',
        in_channels=[2048],
        out_channels=256,
        start_level=0,
        add_extra_convs='on_output',
        num_outs=1,
        relu_before_extra_convs=True,
    ),
    bev_encoder=dict(
        type='BEVFormer',
        x_range=grid['x_range'],
        y_range=grid['y_range'],
        bev_shape=(60, 120),
        embed_dims=256,
        num_layers=3,
        num_levels=1,
        feedforward_channels=512,
    ),
    seg_head=dict(
        type='BEVSegHead',
        in_channels=256,
        channels=128,
        num_upsamples=1,
        grid=grid,
        classes=classes,
        coarse_classes=list(coarse_classes.items()),  # a dumped config sorts a dict
    ),
    objectives=dict(
        seg=dict(
            type='BEVLabelLoss',
            loss=dict(type='SegmentationLoss', positive_weight=[1.0, 3.0, 3.0, 2.0, 3.0], dice_weight=0.5),
        ),
        reprojection=dict(
            type='ReprojectionHead',
            line_width=dict(marking=0.5),  # as the BEV labels draw lines
            inside=dict(marking='drivable'),  # maps have no lines along the edge of the road
            loss=dict(type='SegmentationLoss', positive_weight=[1.0, 10.0, 6.0], dice_weight=0.5),
        ),
        temporal=dict(type='TemporalConsistencyLoss'),
        perspective=dict(
            type='PerspectiveHead',
            in_channels=256,
            classes=list(coarse_classes),
            loss=dict(type='SegmentationLoss', positive_weight=[1.0, 10.0, 6.0], dice_weight=0.5),
        ),
    ),
    loss_weights=dict(seg=1.0),  # the hook of a recipe sets others
)
