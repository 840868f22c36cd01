# Completed maps without the teacher's image backbone to start from.
_base_ = './completed_only.py'
model = dict(img_backbone=dict(init_cfg=None))
