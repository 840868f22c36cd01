# No BEV label at all: what the teacher's classes alone make of the map. A dashed line passes for a lane divider, a solid
# one for a road divider; the layer of the BEV classes takes that over before the last epoch.
_base_ = './_base_.py'
train_dataloader = _base_.unlabelled_dataloader
model = dict(img_backbone=dict(init_cfg=_base_.teacher_backbone))
train_cfg = dict(max_epochs=36)
losses = dict(accumulated=1.0, perspective=0.5)
phases = [
    dict(name='ssl', epochs=35, losses=losses),
    dict(name='names', epochs=1, losses=losses, lr=2e-5, init_classes='coarse'),
]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
