# The paper's recipe: reprojection and consistency over time without BEV labels, then fine-tuning on labelled scenes.
# The backbone of the paper is pretrained on images; here it is the teacher's.
_base_ = './_base_.py'
train_dataloader = _base_.pair_dataloader
train_cfg = dict(max_epochs=8)
model = dict(img_backbone=dict(init_cfg=_base_.teacher_backbone))
pretrain = dict(name='pretrain', epochs=4, losses=dict(reprojection=1.0, temporal=0.5))
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=[pretrain, _base_.finetune])]
