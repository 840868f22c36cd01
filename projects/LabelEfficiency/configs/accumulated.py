# All frames of a scene vote before they teach; then fine-tuning on labelled scenes. From the teacher's image backbone.
_base_ = './_base_.py'
votes = dict(type='LoadAccumulatedTargets', root=f'{_base_.data_root}/votes', classes=_base_.names)
train_dataloader = _base_.frame_dataloader
train_dataloader.dataset.pipeline = [*_base_.images, _base_.pseudo_labels, votes, *_base_.augment_and_pack]
model = dict(img_backbone=dict(init_cfg=_base_.teacher_backbone))
train_cfg = dict(max_epochs=8)
phases = [
    dict(name='pretrain', epochs=4, losses=dict(accumulated=1.0, perspective=0.5)),
    dict(
        name='finetune',
        epochs=4,
        losses=dict(seg=1.0),
        lr=1e-3,
        init_classes='coarse',
        train_dataloader='labelled_dataloader',
    ),
]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
