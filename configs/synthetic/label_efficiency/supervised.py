# The baseline: BEV labels, and nothing else.
_base_ = './_base_.py'
train_dataloader = _base_.labelled_dataloader
train_cfg = dict(max_epochs=60)
phases = [dict(name='supervised', epochs=60, losses=dict(seg=1.0))]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
