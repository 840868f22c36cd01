# No BEV label at all: what the teacher's classes alone make of the map. A dashed line passes for a lane divider, a solid
# one for a road divider; the layer of the BEV classes takes that over before the last epoch.
_base_ = './joint_from_teacher.py'
ssl = dict(losses=dict(loss_accumulated=1.0, loss_perspective=0.5), train_dataloader='unlabelled_dataloader')
train_cfg = dict(max_epochs=36)
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases = [
    dict(ssl, name='ssl', epochs=35),
    dict(ssl, name='names', epochs=1, lr=2e-5, init_classes='coarse'),
]
