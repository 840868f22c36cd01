# Joint training from the teacher's image backbone. Labelled maps are fitted to what the teacher saw, and completed maps
# teach the BEV classes on every frame.
_base_ = './joint_from_teacher.py'
labels = '{{$SSL_BEV_LABELS:50pct_seed0}}'
completed_maps = f'{_base_.data_root}/completed/{_base_.ssl_images}/{labels}'
completed = dict(type='LoadAccumulatedTargets', root=completed_maps, kind='self')
joint_dataloader = _base_.joint_dataloader
for dataset in joint_dataloader.dataset.datasets:
    dataset.pipeline = [*_base_.images, _base_.pseudo_labels, _base_.bev_labels, completed, *_base_.augment_and_pack]
del dataset
joint_dataloader.dataset.datasets[0].label_dir = 'bev_labels_registered'
custom_hooks = _base_.custom_hooks
train_cfg = dict(max_epochs=36)
custom_hooks[-1].phases[-1].epochs = 36
custom_hooks[-1].phases[-1].losses = dict(loss_seg=1.0, loss_self=1.0, loss_perspective=0.5)
