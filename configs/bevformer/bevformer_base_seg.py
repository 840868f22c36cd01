# BEVFormer-base: like small, with four levels of 1600x900 images, 200x200 queries, 6 layers, 4 frames.
_base_ = './bevformer_small_seg.py'
ssl_dataloader, train_dataloader, val_dataloader = _base_.ssl_dataloader, _base_.train_dataloader, _base_.val_dataloader
ssl_dataloader.dataset.pipeline[1].size = (900, 1600)
train_dataloader.dataset.pipeline[1].size = (900, 1600)
val_dataloader.dataset.pipeline[1].size = (900, 1600)
ssl_dataloader.dataset.num_frames = train_dataloader.dataset.num_frames = val_dataloader.dataset.num_frames = 4
test_dataloader = val_dataloader

model = dict(
    img_backbone=dict(out_indices=(1, 2, 3)),
    img_neck=dict(in_channels=[512, 1024, 2048], num_outs=4),
    bev_encoder=dict(bev_shape=(200, 200), num_levels=4, num_layers=6),
    seg_head=dict(num_upsamples=1),
)
