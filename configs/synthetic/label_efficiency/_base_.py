# What all arms of tools/label_efficiency.py share: towns as data, batches of two, epochs of 50 steps whatever the number
# of labels. SSL_BEV_SSL_IMAGES says which images are seen without labels: same_images, the keyframes of the labelled
# towns; or more_images, with those of unlabelled towns.
_base_ = '../_base_.py'
# For arms whose image backbone starts from the teacher's.
teacher_backbone = dict(
    _delete_=True,
    type='Pretrained',
    checkpoint=f'{_base_.teacher.replace(".", "/")}/mask2former_v2.pth',
    prefix='backbone.',
)
ssl_images = '{{$SSL_BEV_SSL_IMAGES:same_images}}'
seen = dict(
    same_images=dict(ann_file=['ssl_bev_infos_train.pkl']),
    more_images=dict(ann_file=['ssl_bev_infos_train.pkl', 'ssl_bev_infos_unlabelled.pkl']),
)[ssl_images]
epoch = dict(type='MixedSourceSampler', per_batch=[2], batches=50)

# A teacher with Mapillary v2.0's names tells paint apart.
paint_classes = dict(
    drivable=['drivable_area'],
    dashed=['lane_divider'],
    solid=['road_divider'],
    stop_line=['stop_line'],
    crosswalk=['ped_crossing'],
)
names = list(paint_classes)
paint_loss = dict(positive_weight=[1.0, 10.0, 10.0, 10.0, 6.0])

pseudo_labels = dict(_base_.pseudo_labels, classes=names)
bev_labels = dict(type='LoadBEVMasks')
accumulated = f'{_base_.data_root}/accumulated/{ssl_images}'
targets = dict(type='LoadAccumulatedTargets', root=accumulated, classes=names)
pair_dataset = dict(_base_.ssl_dataloader.dataset, **seen)
pair_dataset['pipeline'] = [*_base_.images, pseudo_labels, *_base_.augment_and_pack]
single = dict(pair_dataset, num_frames=1)
without_bev_labels = [*_base_.images, pseudo_labels, targets, *_base_.augment_and_pack]
labelled_dataset = _base_.labelled_dataloader.dataset
two = dict(_base_.loader, num_workers=1, batch_size=2)

# Pseudo-labels of two frames: the paper's pretraining. Of one frame: the 2-D stage.
pretrain_dataloader = dict(two, batch_size=1, sampler=dict(epoch, per_batch=[1]), dataset=pair_dataset)
perspective_dataloader = dict(two, sampler=epoch, dataset=single)
# BEV labels only; with pseudo-labels of the same frames; and accumulated pseudo-labels of any frame.
labelled_dataloader = dict(sampler=dict(_delete_=True, **epoch))
assisted_dataset = dict(
    labelled_dataset, pipeline=[*_base_.images, pseudo_labels, bev_labels, *_base_.augment_and_pack]
)
assisted_dataloader = dict(two, sampler=epoch, dataset=assisted_dataset)
unlabelled_dataloader = dict(two, sampler=epoch, dataset=dict(single, pipeline=without_bev_labels))

# Label files of held-out towns hold the published labels and, with the prefix exact_, the truth.
held_out = dict(label_dir='bev_labels_and_truth')
val_dataloader = dict(dataset=held_out)
test_dataloader = dict(dataset=dict(ann_file='ssl_bev_infos_test.pkl', **held_out))
exact = {f'exact_{name}': [name] for name in _base_.bev_classes}
val_evaluator = [
    dict(type='BEVIoUMetric', classes=list(_base_.bev_classes)),
    dict(type='BEVIoUMetric', classes=list(exact), merge=exact, prefix='exact'),
]
test_evaluator = val_evaluator

model = dict(
    seg_head=dict(coarse_classes=list(paint_classes.items())),
    objectives=dict(
        reprojection=dict(
            loss=paint_loss, line_width=dict(_delete_=True, **dict.fromkeys(('dashed', 'solid', 'stop_line'), 0.5))
        ),
        perspective=dict(classes=names, loss=paint_loss),
        accumulated=dict(type='TargetMapLoss', loss=dict(type='SegmentationLoss', dice_weight=0.5, **paint_loss)),
        completed=dict(type='TargetMapLoss', kind='completed', loss=_base_.model.objectives.seg.loss),
    ),
)
train_cfg = dict(val_interval=4)
log_processor = dict(window_size=10)  # as long as the logger's interval, so that logged times add up
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1, save_best='bev/mIoU', rule='greater'))
