# Ours with an image backbone that starts from nothing.
_base_ = './_base_.py'
train_dataloader = _base_.frame_dataloader
phases = [dict(name='completed', epochs=10, losses=dict(completed=1.0, perspective=0.5))]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
