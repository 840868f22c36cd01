# The paper's recipe: reprojection and consistency over time without BEV labels, then fine-tuning on labelled scenes.
_base_ = './_base_.py'
train_dataloader = _base_.pair_dataloader
train_cfg = dict(max_epochs=8)
phases = [
    dict(name='pretrain', epochs=3, losses=dict(reprojection=1.0, temporal=0.5)),
    dict(
        name='finetune',
        epochs=5,
        losses=dict(seg=1.0),
        lr=1e-3,
        init_classes='coarse',
        train_dataloader='labelled_dataloader',
    ),
]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
