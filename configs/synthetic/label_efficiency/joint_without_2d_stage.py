# Joint training from the first step on, as long as with the 2-D stage.
_base_ = './joint.py'
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases = custom_hooks[-1].phases[1:]
custom_hooks[-1].phases[0].epochs = 30
