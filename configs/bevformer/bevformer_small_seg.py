# BEVFormer-small: ResNet-101 with deformable convolutions, one level of 1280x720 images, 150x150 queries, 3 layers,
# 3 frames. The backbone starts from FCOS3D and needs images in BGR, not scaled.
_base_ = './bevformer_tiny_seg.py'
fcos3d = 'fcos3d_r101_caffe_fpn_gn-head_dcn_2x8_1x_nus-mono3d_finetune'
fcos3d = (
    f'https://download.openmmlab.com/mmdetection3d/v0.1.0_models/fcos3d/{fcos3d}/{fcos3d}_20210717_095645-8d806dc2.pth'
)

ssl_dataloader, train_dataloader, val_dataloader = _base_.ssl_dataloader, _base_.train_dataloader, _base_.val_dataloader
ssl_dataloader.dataset.pipeline[1].size = (720, 1280)
train_dataloader.dataset.pipeline[1].size = (720, 1280)
val_dataloader.dataset.pipeline[1].size = (720, 1280)
test_dataloader = val_dataloader

model = dict(
    data_preprocessor=dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False),
    img_backbone=dict(
        depth=101,
        style='caffe',
        with_cp=True,
        dcn=dict(type='DCNv2', deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, False, True, True),
        init_cfg=dict(checkpoint=f'safe:{fcos3d}', prefix='backbone.'),
    ),
    bev_encoder=dict(bev_shape=(150, 150)),
    seg_head=dict(num_upsamples=2),
)
