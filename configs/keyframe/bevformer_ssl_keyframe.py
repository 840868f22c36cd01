# Phase 1 alone on one real nuScenes keyframe, whose hand-drawn 2-D labels take the place of the teacher's.
# The folder is $SSL_BEV_SHARED/data/nuscenes_keyframe; a stock mmdet3d info file is enough for single frames.
_base_ = '../synthetic/_base_.py'
shared = '{{$SSL_BEV_SHARED:../shared}}'
data_root = f'{shared}/data/nuscenes_keyframe'
image_size = (320, 800)  # the lower part of the half-size image: paint needs pixels
left_out_camera = None

pipeline = [
    dict(type='LoadBEVImages'),
    dict(type='ResizeCropFlipImages', size=image_size, training=False),
    dict(
        type='LoadPseudoLabels',
        root=data_root,
        label_map='mapillary_v1',
        label_file='labels/{camera}.png',
        confidence_file=None,
        manifest=None,
        stride=2,
    ),
    dict(type='PackBEVInputs'),
]
