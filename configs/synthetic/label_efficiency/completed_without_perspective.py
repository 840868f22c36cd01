# Completed maps without the auxiliary loss in the image plane.
_base_ = './completed_only.py'
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases[-1].losses = dict(completed=1.0)
