# The baseline with the teacher's image backbone to start from: what of our gain is the backbone's.
_base_ = './_base_.py'
train_dataloader = _base_.labelled_dataloader
model = dict(img_backbone=dict(init_cfg=_base_.teacher_backbone))
