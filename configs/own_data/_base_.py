# Your own cameras, prepared as in docs/own_data.md: info files, BEV labels and pseudo-labels are in SSL_BEV_OWN_DATA,
# images in SSL_BEV_OWN_IMAGES. Cameras are those of the info files.
_base_ = '../_base_/bevformer_tiny_nuscenes.py'
made = '{{$SSL_BEV_OWN_DATA:data/own}}'
folders = dict(data_root='{{$SSL_BEV_OWN_IMAGES:data/own}}', info_root=made)
names = ['drivable', 'marking']

pseudo_labels = dict(_base_.load_pseudo_labels, root=f'{made}/pseudo_labels', classes=names)
ssl_pipeline = [*_base_.ssl_pipeline[:2], pseudo_labels, *_base_.ssl_pipeline[3:]]
ssl_dataloader = dict(dataset=dict(**folders, pipeline=ssl_pipeline))
labelled_dataloader = dict(dataset=folders)
val_dataloader = dict(dataset=folders)
test_dataloader = val_dataloader

pseudo = dict(loss=dict(positive_weight=[1.0, 10.0]))
model = dict(
    seg_head=dict(classes=names, coarse_classes=[(name, [name]) for name in names]),
    objectives=dict(
        seg=dict(loss=dict(positive_weight=[1.0, 3.0])),
        reprojection=dict(inside=None, **pseudo),  # all paint counts, also along the edge of the road
        perspective=dict(classes=names, **pseudo),
    ),
)
val_evaluator = dict(classes=names)
test_evaluator = val_evaluator

# The first epoch is the warm-up, for any number of frames.
param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 3, by_epoch=True, begin=0, end=1, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, eta_min_ratio=1e-3),
]
