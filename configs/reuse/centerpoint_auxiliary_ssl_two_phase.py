# Both phases in one run. CenterPoint learns its boxes on all scenes in both phases. The map is first learnt from the
# pseudo-labels of the cameras, then from BEV labels of half of the scenes.
_base_ = './_base_/centerpoint_auxiliary.py'
train_cfg = dict(max_epochs=8, val_interval=8)
pretrain = dict(name='pretrain', epochs=4, losses=dict(reprojection=1.0))
finetune = dict(
    name='finetune',
    epochs=4,
    losses=dict(seg=1.0),
    lr=1e-3,
    init_classes='coarse',
    train_dataloader='labelled_dataloader',
)
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=[pretrain, finetune])]
