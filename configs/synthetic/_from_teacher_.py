# The image backbone starts from that of the teacher, which is needed for pseudo-labels anyway.
_base_ = './_base_.py'
weights = '{{ fileDirname }}/../../projects/SyntheticNuScenes/teacher/mask2former_v2.pth'
start = dict(_delete_=True, type='Pretrained', checkpoint=weights, prefix='backbone.')
model = dict(img_backbone=dict(init_cfg=start))
