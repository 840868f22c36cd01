# Ours with a scene's votes as they are: they teach all frames in a first phase, published labels in a second.
_base_ = './_base_.py'
votes = dict(type='LoadAccumulatedTargets', root=f'{_base_.data_root}/votes')
train_dataloader = _base_.frame_dataloader
train_dataloader.dataset.pipeline = [*_base_.images, _base_.pseudo_labels_4, votes, *_base_.augment_and_pack]
model = dict(img_backbone=dict(init_cfg=_base_.teacher_backbone))
train_cfg = dict(max_epochs=8)
pretrain = dict(name='pretrain', epochs=6, losses=dict(accumulated=1.0, perspective=0.5))
finetune = dict(_base_.finetune, epochs=2, lr=2e-4)  # a good first phase is forgotten at a higher rate
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=[pretrain, finetune])]
