# Joint training from the first step on, with the teacher's image backbone to start from instead of a 2-D stage.
_base_ = './joint_without_2d_stage.py'
model = dict(img_backbone=dict(init_cfg=_base_.teacher_backbone))
