# Phase 1 on PandaSet's sequence 002 of $SSL_BEV_SHARED/real/pandaset_002, with a real network's pseudo-labels; evaluated
# against the labelled lidar points. Info files and labels are in data/pandaset_002 (SSL_BEV_PANDASET):
#   python tools/dataset_converters/pandaset.py --data-root ../shared/real/pandaset_002 --out data/pandaset_002 --parts 2
#   python tools/create_data.py --data-root ../shared/real/pandaset_002 --drives data/pandaset_002/drives.jsonl \
#       --out data/pandaset_002 --x-range -30.4 30.4 --y-range -15.2 15.2 --cell-size 0.2
# SSL_BEV_PANDASET_PART=pandaset-002-0 trains on the first half of the drive only. SSL_BEV_PANDASET_ROADS=roads uses the
# ground of data/pandaset_002/roads instead of a plane:
#   python tools/estimate_road.py --infos data/pandaset_002/ssl_bev_infos_train.pkl --out data/pandaset_002/roads \
#       --source lidar --data-root ../shared/real/pandaset_002
# or with --source labels --pseudo-labels ../shared/real/pandaset_002/pseudo_labels --label-map mapillary_v1 \
#       --classes drivable marking --min-confidence 0.3
_base_ = './nuscenes_part_ssl.py'
data_root = '{{$SSL_BEV_SHARED:../shared}}/real/pandaset_002'
made = '{{$SSL_BEV_PANDASET:data/pandaset_002}}'
part = '{{$SSL_BEV_PANDASET_PART:all}}'
roads = '{{$SSL_BEV_PANDASET_ROADS:none}}'
names = _base_.names
frames = dict(
    data_root=data_root,
    info_root=made,
    ann_file='ssl_bev_infos_train.pkl',
    roads=None if roads == 'none' else roads,
)
scenes = dict(scene_list=None if part == 'all' else [part])
images = [_base_.images[0], dict(type='ResizeCropFlipImages', size=(256, 672), resize=(1.0, 1.1), crop_x='random')]
labels = dict(_base_.labels, root=f'{data_root}/pseudo_labels', stride=1)
pipeline = [*images, labels, *_base_.augment_and_pack]
train_dataloader = dict(dataset=dict(times=10, dataset=dict(**frames, **scenes, pipeline=pipeline)))
test_pipeline = [images[0], dict(images[1], training=False), *_base_.test_pipeline[2:]]
val_dataloader = dict(dataset=dict(**frames, pipeline=test_pipeline))
test_dataloader = val_dataloader

# Cells of 0.2 m, so that the tolerance is one cell. A cell of the labels is paint if it contains any.
area = dict(x_range=(-30.4, 30.4), y_range=(-15.2, 15.2))
model = dict(
    bev_encoder=dict(bev_shape=(38, 76), **area),
    seg_head=dict(
        grid=dict(cell_size=0.2, **area),
        classes=names,
        coarse_classes=[(name, [name]) for name in names],
        new_classes=(),
    ),
    objectives=dict(
        seg=dict(loss=dict(positive_weight=[1.0, 10.0])),
        reprojection=dict(
            line_width=dict(marking=0.3), inside=None
        ),  # lines along the edge of the road are labelled, too
    ),
)
rings = ((0, 20), (20, 30))
val_evaluator = [
    dict(type='BEVIoUMetric', classes=names, rings=rings),
    dict(type='BEVIoUMetric', classes=names, rings=rings, tolerance=0.2, prefix='within_0.2m'),
]
test_evaluator = val_evaluator
