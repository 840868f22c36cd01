# Pillars of 0.25 m, and BEV features of 1 m as for the other encoders. Paint is visible in the
# intensity.
lidar_pillars = dict(
    type='PillarEncoder',
    voxel_layer=dict(
        max_num_points=10,
        max_voxels=30000,
        voxel_size=(0.25, 0.25, 8.0),
        point_cloud_range=(-30.0, -15.0, -5.0, 30.0, 15.0, 3.0),
    ),
    voxel_encoder=dict(
        type='PillarFeatureNet',
        in_channels=4,
        feat_channels=(32,),
        legacy=False,
        norm_cfg=dict(type='BN1d', eps=1e-3, momentum=0.1),
    ),
    middle_encoder=dict(type='PointPillarsScatter', in_channels=32),
    # Group norm, since batches are small.
    backbone=dict(
        type='SECOND',
        in_channels=32,
        out_channels=[32, 64, 64],
        layer_nums=[1, 2, 2],
        layer_strides=[2, 2, 2],
        norm_cfg=dict(type='GN', num_groups=8),
    ),
    neck=dict(
        type='SECONDFPN',
        in_channels=[32, 64, 64],
        out_channels=[16, 24, 24],
        upsample_strides=[0.5, 1, 2],
        norm_cfg=dict(type='GN', num_groups=8),
    ),
)
load_points = [dict(type='LoadCalibration'), dict(type='LoadBEVPoints')]
pack = dict(type='PackBEVInputs')
