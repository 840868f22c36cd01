# Joint training in which an average of the model, which sees all cameras, teaches the BEV classes on every frame.
_base_ = './joint.py'
custom_hooks = [dict(type='MeanTeacherHook', momentum=0.01), *_base_.custom_hooks]
custom_hooks[-1].phases[-1].losses.loss_teacher = 0.5
