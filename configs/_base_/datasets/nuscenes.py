# nuScenes as prepared by tools/create_data.py; SSL_BEV_NUSCENES sets the folder.
data_root = '{{$SSL_BEV_NUSCENES:data/nuscenes}}'
image_size = (450, 800)
bev_classes = ('drivable_area', 'lane_divider', 'road_divider', 'ped_crossing', 'stop_line')

load_pseudo_labels = dict(
    type='LoadPseudoLabels',
    root=f'{data_root}/pseudo_labels',
    label_map='mapillary_v1',
    classes=('drivable', 'marking', 'crosswalk'),
    stride=1,
    num_frames=2,
    min_confidence=0.5,
)
ssl_pipeline = [
    dict(type='LoadBEVImages'),
    dict(type='ResizeCropFlipImages', size=image_size, resize=(0.95, 1.15), crop_x='random', crop_y='random'),
    load_pseudo_labels,
    dict(type='JitterColors'),
    dict(type='PackBEVInputs'),
]
labelled_pipeline = [
    dict(type='LoadBEVImages'),
    dict(type='ResizeCropFlipImages', size=image_size, resize=(0.95, 1.15), crop_x='random', crop_y='random'),
    dict(type='LoadBEVMasks'),
    dict(type='JitterColors'),
    dict(type='PackBEVInputs'),
]
test_pipeline = [
    dict(type='LoadBEVImages'),
    dict(type='ResizeCropFlipImages', size=image_size, training=False),
    dict(type='LoadBEVMasks'),
    dict(type='PackBEVInputs'),
]

dataset = dict(type='BEVDataset', data_root=data_root, bev_frame='ego', num_frames=3)
loader = dict(batch_size=1, num_workers=4, persistent_workers=True, pin_memory=True)
# Pretraining uses all training frames and no BEV labels.
ssl_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**dataset, ann_file='ssl_bev_infos_train.pkl', with_labels=False, pipeline=ssl_pipeline),
)
# Fine-tuning uses the labelled scenes only.
labelled_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        **dataset,
        ann_file='ssl_bev_infos_train.pkl',
        label_fraction=1.0,
        labelled_only=True,
        pipeline=labelled_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    pin_memory=True,
    sampler=dict(type='SceneContiguousSampler'),
    dataset=dict(**dataset, ann_file='ssl_bev_infos_val.pkl', test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='BEVIoUMetric', classes=bev_classes)
test_evaluator = val_evaluator
