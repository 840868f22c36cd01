# Completed maps on all frames alike, from the teacher's image backbone: BEV labels only teach how maps are completed.
_base_ = './_base_.py'
labels = '{{$SSL_BEV_LABELS:50pct_seed0}}'
completed_maps = f'{_base_.data_root}/completed/{_base_.ssl_images}/{labels}'
completed = dict(type='LoadAccumulatedTargets', root=completed_maps, kind='completed')
train_dataloader = _base_.unlabelled_dataloader
train_dataloader.dataset.pipeline = [*_base_.images, _base_.pseudo_labels, completed, *_base_.augment_and_pack]
model = dict(img_backbone=dict(init_cfg=_base_.teacher_backbone))
train_cfg = dict(max_epochs=36)
phases = [dict(name='completed', epochs=36, losses=dict(completed=1.0, perspective=0.5))]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
