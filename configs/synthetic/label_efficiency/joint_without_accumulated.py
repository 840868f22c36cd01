# Joint training without accumulated targets: unlabelled frames teach in the image plane only.
_base_ = './joint.py'
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases[-1].losses = dict(loss_seg=1.0, loss_perspective=0.5)
