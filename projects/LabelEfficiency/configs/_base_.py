# What all recipes share: a small network, batches of two frames, ten epochs with a validation after each. How long an
# epoch is, whose labels are seen and which other images is set by run.py.
_base_ = '../../../configs/synthetic/_base_.py'
# Pseudo-labels need the teacher anyway: most recipes start from its image backbone.
weights = '{{ fileDirname }}/../../SyntheticNuScenes/teacher/mask2former_v2.pth'
teacher_backbone = dict(_delete_=True, type='Pretrained', checkpoint=weights, prefix='backbone.')
# A second phase, on the labelled scenes.
finetune = dict(
    name='finetune',
    epochs=4,
    losses=dict(seg=1.0),
    lr=1e-3,
    init_classes='coarse',
    train_dataloader='labelled_dataloader',
)
# A teacher with Mapillary v2.0's names tells paint apart.
paint_classes = dict(
    drivable=['drivable_area'],
    dashed=['lane_divider'],
    solid=['road_divider'],
    stop_line=['stop_line'],
    crosswalk=['ped_crossing'],
)
names = list(paint_classes)
pseudo_labels = dict(_base_.pseudo_labels, classes=names)
completed = dict(type='LoadAccumulatedTargets', root=f'{_base_.data_root}/completed', kind='completed')

# Images without BEV labels: pairs of frames for the paper's pretraining, two single frames for maps as targets.
pairs = dict(_base_.ssl_dataloader.dataset, pipeline=[*_base_.images, pseudo_labels, *_base_.augment_and_pack])
pair_dataloader = dict(_base_.ssl_dataloader, dataset=pairs)
pseudo_labels_4 = dict(pseudo_labels, stride=4)  # as fine as the image features
frames = dict(pairs, num_frames=1, pipeline=[*_base_.images, pseudo_labels_4, completed, *_base_.augment_and_pack])
frame_dataloader = dict(_base_.ssl_dataloader, batch_size=2, dataset=frames)

paint_loss = dict(positive_weight=[1.0, 10.0, 10.0, 10.0, 6.0])
line_width = dict(_delete_=True, **dict.fromkeys(('dashed', 'solid', 'stop_line'), 0.5))
inside = dict(_delete_=True, dashed='drivable', solid='drivable')
model = dict(
    seg_head=dict(coarse_classes=list(paint_classes.items())),
    objectives=dict(
        reprojection=dict(loss=paint_loss, line_width=line_width, inside=inside),
        perspective=dict(classes=names, loss=paint_loss),
        accumulated=dict(type='TargetMapLoss', loss=dict(type='SegmentationLoss', dice_weight=0.5, **paint_loss)),
        completed=dict(type='TargetMapLoss', kind='completed', loss=_base_.model.objectives.seg.loss),
    ),
)
train_cfg = dict(max_epochs=10, val_interval=1)
log_processor = dict(window_size=10)  # as long as the logger's interval, so that logged times add up
default_hooks = dict(
    logger=dict(ignore_last=False), checkpoint=dict(max_keep_ckpts=1, save_best='bev/mIoU', rule='greater')
)
