# Common settings of the published BEVFormer sizes (arXiv 2203.17270), with a segmentation head instead of the detector:
# the BEV in the lidar frame, as for the official weights, pillars over its z = 0, images without augmentation.
# Its labels are made by
#   python tools/create_data.py --data-root data/nuscenes --version v1.0-trainval --out data/nuscenes/bevformer --labels-only \
#       --bev-frame lidar --x-range -51.2 51.2 --y-range -51.2 51.2 --cell-size 0.256
_base_ = '../_base_/bevformer_tiny_nuscenes.py'
grid = dict(x_range=(-51.2, 51.2), y_range=(-51.2, 51.2), cell_size=0.256)

images = [dict(type='LoadBEVImages'), dict(type='ResizeCropFlipImages', size=(450, 800), training=False)]
jitter_and_pack = [dict(type='JitterColors'), dict(type='PackBEVInputs')]
dataset = dict(bev_frame='lidar', label_dir='bevformer/bev_labels')
ssl_dataloader = dict(dataset=dict(**dataset, pipeline=[*images, _base_.load_pseudo_labels, *jitter_and_pack]))
labelled_dataloader = dict(dataset=dict(**dataset, pipeline=[*images, dict(type='LoadBEVMasks'), *jitter_and_pack]))
val_dataloader = dict(
    dataset=dict(**dataset, pipeline=[*images, dict(type='LoadBEVMasks'), dict(type='PackBEVInputs')])
)
test_dataloader = val_dataloader
rings = ((0, 10), (10, 20), (20, 30), (30, 50))
val_evaluator = test_evaluator = dict(rings=rings)

model = dict(
    bev_encoder=dict(
        x_range=grid['x_range'], y_range=grid['y_range'], bev_shape=(50, 50), z_range=(-5.0, 3.0), pillar_base='frame'
    ),
    seg_head=dict(grid=grid, num_upsamples=3),
)
