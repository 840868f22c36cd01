# Completed maps without the auxiliary loss in the image plane.
_base_ = './joint_completed.py'
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases[-1].losses = dict(loss_seg=1.0, loss_self=1.0)
