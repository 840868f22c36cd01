# No BEV label at all: what the teacher's classes alone make of the map. A dashed line passes for a lane divider, a solid
# one for a road divider; the layer of the BEV classes takes that over before the last epoch.
_base_ = './joint.py'
losses = dict(loss_accumulated=1.0, loss_perspective=0.5)
ssl = dict(losses=losses, train_dataloader='unlabelled_dataloader')
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases = [
    custom_hooks[-1].phases[0],
    dict(ssl, name='ssl', epochs=23),
    dict(ssl, name='names', epochs=1, lr=2e-5, init_classes='coarse'),
]
