# Both phases of BEVFormer's recipe with a lidar encoder: it learns from pseudo-labels of the cameras, images are not read.
_base_ = ['../synthetic/bevformer_ssl_two_phase.py', './_base_/lidar_pillars.py']
objectives = {name: _base_.model.objectives[name] for name in ('seg', 'reprojection', 'temporal')}
model = dict(
    img_backbone=None,
    img_neck=None,
    bev_encoder=dict(_delete_=True, **_base_.lidar_pillars),
    objectives=dict(_delete_=True, **objectives),
)
without_labels = [*_base_.load_points, _base_.pseudo_labels, _base_.pack]
with_labels = [*_base_.load_points, dict(type='LoadBEVMasks'), _base_.pack]
train_dataloader = dict(dataset=dict(pipeline=without_labels))
labelled_dataloader = val_dataloader = dict(dataset=dict(pipeline=with_labels))
test_dataloader = val_dataloader

# There are no image features that a 2-D loss could train.
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases[0].losses = dict(reprojection=1.0, temporal=0.5)
