# Ours with maps that were completed by a network that learnt from published labels as they are.
_base_ = './_base_.py'
completed = dict(_base_.completed, root=f'{_base_.data_root}/completed_published')
train_dataloader = _base_.frame_dataloader
train_dataloader.dataset.pipeline = [*_base_.images, _base_.pseudo_labels_4, completed, *_base_.augment_and_pack]
model = dict(img_backbone=dict(init_cfg=_base_.teacher_backbone))
phases = [dict(name='completed', epochs=10, losses=dict(completed=1.0, perspective=0.5))]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
