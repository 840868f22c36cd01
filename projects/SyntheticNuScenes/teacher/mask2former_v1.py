# The same network with the coarser class names of Mapillary Vistas v1.2, from the weights of the finer one.
_base_ = './mask2former_v2.py'
max_iters = 900
load_from = 'work_dirs/mask2former_v2/iter_9000.pth'  # all but the queries
classes = [
    *('Road', 'Parking', 'Manhole', 'Curb', 'Sidewalk', 'Terrain'),
    *('Lane Marking - Crosswalk', 'Lane Marking - General'),
    *('Building', 'Vegetation', 'Sky', 'Barrier', 'Street Light', 'Pole'),
    *('Person', 'Bicyclist', 'Motorcyclist', 'Bicycle', 'Motorcycle', 'Car', 'Truck', 'Bus', 'Ego Vehicle'),
]
num_classes = len(classes)
paint = [name.startswith('Lane Marking') for name in classes]
model = dict(
    decode_head=dict(
        pixel_weight=[{**_base_.paint_weight, 'Lane Marking - General': 2.0}.get(name, 1.0) for name in classes],
        pixel_odds=[10.0 if painted else 1.0 for painted in paint],
        num_classes=num_classes,
        num_queries=num_classes,
        loss_cls=dict(class_weight=[1.0] * (num_classes + 1)),
    ),
)
train_dataloader = dict(dataset=dict(dataset=dict(metainfo=dict(classes=classes))))
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=False, begin=50, end=max_iters),
]
train_cfg = dict(max_iters=max_iters)
