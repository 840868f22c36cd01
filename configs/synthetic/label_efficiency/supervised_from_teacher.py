# Control: the baseline with the teacher's image backbone to start from.
_base_ = './supervised.py'
model = dict(img_backbone=dict(init_cfg=_base_.teacher_backbone))
