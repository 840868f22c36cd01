# Phase 1 on the nine real keyframes of $SSL_BEV_SHARED/real/nuscenes_mini_part, with a real network's pseudo-labels, and
# evaluated on the same frames against the vector map. Data are in data/nuscenes_part (SSL_BEV_NUSCENES_PART):
#   python tools/create_data.py --data-root ../shared/real/nuscenes_mini_part --version v1.0-mini --max-sweeps 0 \
#       --out data/nuscenes_part
# SSL_BEV_HELD_APART=yes trains on the other half of the scenes and evaluates on those held apart.
_base_ = '../synthetic/bevformer_ssl_pretrain.py'
data_root = '{{$SSL_BEV_SHARED:../shared}}/real/nuscenes_mini_part'
made = '{{$SSL_BEV_NUSCENES_PART:data/nuscenes_part}}'
held_apart, others = ['scene-0655', 'scene-0757', 'scene-0796'], ['scene-0061', 'scene-0103', 'scene-0553']
seen, evaluated = dict(no=(None, None), yes=(others, held_apart))['{{$SSL_BEV_HELD_APART:no}}']
files = ['ssl_bev_infos_train.pkl', 'ssl_bev_infos_val.pkl']
# The teacher knows no crossings, and the map has them in one scene only.
coarse_classes = dict(drivable=['drivable_area'], marking=['lane_divider', 'road_divider', 'stop_line'])
names = list(coarse_classes)
size = (224, 640)  # the lower part of the images, since paint needs a high resolution

images = [dict(type='LoadBEVImages'), dict(type='ResizeCropFlipImages', size=size, resize=(1.0, 1.1), crop_x='random')]
labels = dict(
    type='LoadPseudoLabels',
    root=f'{data_root}/pseudo_labels',
    label_map='mapillary_v1',
    classes=names,
    min_confidence=0.3,
)
frames = dict(data_root=data_root, info_root=made, ann_file=files, num_frames=1)
pipeline = [*images, dict(labels, stride=1), *_base_.augment_and_pack]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='RepeatDataset',
        times=20,
        dataset=dict(_base_.dataset, **frames, scene_list=seen, with_labels=False, pipeline=pipeline),
    )
)
test_pipeline = [images[0], dict(images[1], training=False), *_base_.test_pipeline[2:]]
val_dataloader = dict(dataset=dict(**frames, scene_list=evaluated, pipeline=test_pipeline))
test_dataloader = val_dataloader
model = dict(
    seg_head=dict(coarse_classes=list(coarse_classes.items()), new_classes=('ped_crossing',)),
    objectives=dict(
        reprojection=dict(loss=dict(positive_weight=[1.0, 10.0])),
        perspective=dict(classes=names, loss=dict(positive_weight=[1.0, 10.0])),
    ),
)
val_evaluator = dict(_delete_=True, type='BEVIoUMetric', classes=names, merge=coarse_classes)
test_evaluator = val_evaluator
