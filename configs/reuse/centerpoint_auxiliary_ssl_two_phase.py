# Both phases in one run. CenterPoint learns its boxes on all scenes in both phases. The map is first learnt from the
# pseudo-labels of the cameras, then from BEV labels of half of the scenes.
_base_ = ['./_base_/centerpoint_auxiliary.py', '../_base_/schedules/finetune.py']
train_cfg = dict(max_epochs=8, val_interval=8)
pretrain = dict(name='pretrain', epochs=4, losses=dict(reprojection=1.0))
finetune = dict(_base_.finetune, epochs=4, lr=1e-3)
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=[pretrain, finetune])]
