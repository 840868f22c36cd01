# Ours without the auxiliary loss in the image plane.
_base_ = './_base_.py'
train_dataloader = _base_.frame_dataloader
model = dict(img_backbone=dict(init_cfg=_base_.teacher_backbone))
phases = [dict(name='completed', epochs=10, losses=dict(completed=1.0))]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
