# Ours: completed maps of all frames alike, from the teacher's image backbone. BEV labels teach how maps are completed,
# and nothing else.
_base_ = './_base_.py'
train_dataloader = _base_.frame_dataloader
model = dict(img_backbone=dict(init_cfg=_base_.teacher_backbone))
phases = [dict(name='completed', epochs=10, losses=dict(completed=1.0, perspective=0.5))]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
