# What the Mask2Formers start from: the same backbone, taught pixel by pixel, which is quicker.
_base_ = './mask2former_v2.py'
max_iters = 1600
load_from = None
paint_weight = 2.0
model = dict(
    decode_head=dict(
        _delete_=True,
        type='HalfSizeFCNHead',
        in_channels=[24, 48, 96, 192],
        in_index=[0, 1, 2, 3],
        input_transform='resize_concat',
        channels=64,
        num_convs=1,
        kernel_size=1,
        concat_input=False,
        num_classes=_base_.num_classes,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(
            type='CrossEntropyLoss',
            class_weight=[paint_weight if name.startswith('Lane Marking') else 1.0 for name in _base_.classes],
        ),
    ),
)
train_dataloader = dict(batch_size=6)
optim_wrapper = dict(optimizer=dict(lr=2e-3), paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=1e-5, by_epoch=False, begin=50, end=max_iters),
]
train_cfg = dict(max_iters=max_iters)
