# CenterPoint with pillars from mmdet3d, with a segmentation head on its neck: boxes and maps from one run. It is for the
# synthetic world (SSL_BEV_SYNTHETIC) and small enough for two CPU cores: 64 m x 64 m, fewer channels, one sweep, no
# database of objects. Images are not read, only their pseudo-labels. In addition to the data of configs/synthetic, it
# needs labels in the lidar frame and a list of the labelled scenes:
#   python tools/create_data.py --data-root data/synthetic_nuscenes --out data/synthetic_nuscenes/lidar_frame --labels-only \
#       --bev-frame lidar --x-range -16 16 --y-range -32 32
#   python tools/make_label_subsets.py --infos data/synthetic_nuscenes/ssl_bev_infos_train.pkl \
#       --out data/synthetic_nuscenes/label_subsets
_base_ = 'mmdet3d::centerpoint/centerpoint_pillar02_second_secfpn_8xb4-cyclic-20e_nus-3d.py'
custom_imports = dict(imports=['ssl_bev.components'], allow_failed_imports=False)
data_root = '{{$SSL_BEV_SYNTHETIC:data/synthetic_nuscenes}}'
label_dir = f'{data_root}/lidar_frame/bev_labels'
point_cloud_range = [-32.0, -32.0, -5.0, 32.0, 32.0, 3.0]
grid = dict(x_range=(-16.0, 16.0), y_range=(-32.0, 32.0), cell_size=0.25)  # y is forward
bev_classes = ('drivable_area', 'lane_divider', 'road_divider', 'ped_crossing', 'stop_line')
coarse_classes = dict(
    drivable=['drivable_area'], marking=['lane_divider', 'road_divider', 'stop_line'], crosswalk=['ped_crossing']
)

# The detector, smaller in range and channels.
detector = _base_.model
pillar = dict(voxel_size=[0.25, 0.25, 8])
detector.data_preprocessor.voxel_layer.update(
    point_cloud_range=point_cloud_range, max_num_points=10, max_voxels=(15000, 15000), **pillar
)
detector.pts_voxel_encoder.update(in_channels=4, feat_channels=[32], point_cloud_range=point_cloud_range, **pillar)
detector.pts_middle_encoder.update(in_channels=32, output_shape=(256, 256))
detector.pts_backbone.update(in_channels=32, out_channels=[32, 64, 64], layer_nums=[1, 2, 2])
detector.pts_neck.update(in_channels=[32, 64, 64], out_channels=[32, 32, 32])
detector.pts_bbox_head.update(in_channels=96, share_conv_channel=32)
detector.pts_bbox_head.bbox_coder.update(pc_range=point_cloud_range[:2], voxel_size=[0.25, 0.25])
detector.train_cfg.pts.update(grid_size=[256, 256, 1], point_cloud_range=point_cloud_range, **pillar)
detector.test_cfg.pts.update(pc_range=point_cloud_range[:2], voxel_size=[0.25, 0.25], nms_type='circle')

loss = dict(type='SegmentationLoss', dice_weight=0.5)
model = dict(
    _delete_=True,
    type='DetectorWithObjectives',
    detector=detector,
    tap='pts_neck',
    point_cloud_range=point_cloud_range,
    seg_head=dict(
        type='BEVSegHead',
        in_channels=96,
        channels=32,
        num_upsamples=2,
        grid=grid,
        classes=bev_classes,
        coarse_classes=list(coarse_classes.items()),
    ),
    objectives=dict(
        seg=dict(type='BEVLabelLoss', loss=dict(positive_weight=[1.0, 6.0, 6.0, 4.0, 8.0], **loss)),
        reprojection=dict(
            type='ReprojectionHead',
            line_width=dict(marking=0.5),
            inside=dict(marking='drivable'),
            loss=dict(positive_weight=[1.0, 10.0, 6.0], **loss),
        ),
    ),
)

load_points = dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=5, use_dim=4)
augmented = [
    load_points,
    dict(type='LoadAnnotations3D', with_bbox_3d=True, with_label_3d=True),
    dict(type='GlobalRotScaleTrans', rot_range=[-0.3925, 0.3925], scale_ratio_range=[0.95, 1.05]),
    dict(type='RandomFlip3D', sync_2d=False, flip_ratio_bev_horizontal=0.5, flip_ratio_bev_vertical=0.5),
    dict(type='PointsRangeFilter', point_cloud_range=point_cloud_range),
    dict(type='ObjectRangeFilter', point_cloud_range=point_cloud_range),
    dict(type='ObjectNameFilter', classes=_base_.class_names),
    dict(type='PointShuffle'),
]
pseudo_labels = dict(
    type='LoadPseudoLabels', root=f'{data_root}/pseudo_labels', label_map='mapillary_v2', stride=1, min_confidence=0.5
)
pack = dict(
    type='PackDetectionWithBEV',
    pack=dict(type='Pack3DDetInputs', keys=['points', 'gt_bboxes_3d', 'gt_labels_3d']),
)
labelled = dict(type='AdaptMultiViewImages', label_dir=label_dir)
dataset = dict(
    type='NuScenesDataset',
    data_root=data_root,
    data_prefix=dict(pts='', img='', sweeps=''),
    modality=dict(use_lidar=True, use_camera=True),
    metainfo=dict(classes=_base_.class_names, version='v1.0-mini'),
    use_valid_flag=True,
)
loader = dict(num_workers=1, persistent_workers=False, batch_size=1)
training = dict(**loader, sampler=dict(type='DefaultSampler', shuffle=True))
train_dataloader = dict(
    _delete_=True,
    **training,
    dataset=dict(
        **dataset,
        ann_file='ssl_bev_infos_train.pkl',
        pipeline=[*augmented, dict(type='AdaptMultiViewImages'), pseudo_labels, pack],
    ),
)
# Boxes of all scenes, maps of half of them.
some_labelled = dict(labelled, label_scenes=f'{data_root}/label_subsets/50percent_seed0.txt')
labelled_dataloader = dict(
    **training,
    dataset=dict(
        **dataset,
        ann_file='ssl_bev_infos_train.pkl',
        pipeline=[*augmented, some_labelled, dict(type='LoadBEVMasks'), pack],
    ),
)
test_pack = dict(type='PackDetectionWithBEV', pack=dict(type='Pack3DDetInputs', keys=['points']))
val_dataloader = dict(
    _delete_=True,
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **dataset,
        ann_file='ssl_bev_infos_val.pkl',
        test_mode=True,
        pipeline=[load_points, labelled, dict(type='LoadBEVMasks'), test_pack],
    ),
)
test_dataloader = val_dataloader
box_evaluator = dict(type='NuScenesMetric', data_root=data_root, ann_file=f'{data_root}/ssl_bev_infos_val.pkl')
map_evaluator = dict(type='BEVIoUMetric', classes=bev_classes)
val_evaluator = [box_evaluator, map_evaluator]
test_evaluator = val_evaluator

optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, begin=0, eta_min_ratio=0.01)]
randomness = dict(seed=0)
env_cfg = dict(dist_cfg=dict(backend='gloo'))
log_processor = dict(window_size=10)
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(type='SafeCheckpointHook', interval=1, max_keep_ckpts=2),
    preemption=dict(type='PreemptionHook'),
    non_finite=dict(type='NonFiniteHook'),
)
custom_hooks = [dict(type='CheckpointShapeHook'), dict(type='ExactResumeHook')]
