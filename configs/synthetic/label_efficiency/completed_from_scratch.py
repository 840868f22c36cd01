# Completed maps without the teacher's image backbone to start from.
_base_ = './joint_completed.py'
model = dict(img_backbone=dict(init_cfg=None))
