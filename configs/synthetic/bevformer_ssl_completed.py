# A 2-D stage for the image backbone, then maps that the network of configs/synthetic/map_completion.py completed, on all
# frames alike. BEV labels (of half of the scenes) only teach that network.
_base_ = './_base_.py'
completed = dict(type='LoadAccumulatedTargets', root=f'{_base_.data_root}/completed', kind='self')
train_dataloader = _base_.ssl_dataloader
train_dataloader.dataset.num_frames = 1
train_dataloader.dataset.pipeline = [*_base_.images, _base_.pseudo_labels, completed, *_base_.augment_and_pack]
train_cfg = dict(max_epochs=6, val_interval=6)
model = dict(self_loss=_base_.model.seg_head.loss)
phases = [
    dict(name='perspective', epochs=2, losses=dict(loss_perspective=1.0)),
    dict(name='completed', epochs=4, losses=dict(loss_self=1.0, loss_perspective=0.5)),
]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
