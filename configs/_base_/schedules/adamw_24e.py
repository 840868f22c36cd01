# BEVFormer's published schedule, for a total batch of 8.
max_epochs = 24
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=max_epochs)
val_cfg = dict(type='OnlineValLoop')
test_cfg = dict(type='OnlineTestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='FusedAdamW', lr=2e-4, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys=dict(img_backbone=dict(lr_mult=0.1))),
    clip_grad=dict(max_norm=35, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 3, by_epoch=False, begin=0, end=500),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=500, eta_min_ratio=1e-3),
]
auto_scale_lr = dict(enable=False, base_batch_size=8)
