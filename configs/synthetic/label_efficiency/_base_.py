# What all arms of tools/label_efficiency.py share: towns as data, batches of two, epochs of 50 steps whatever the number
# of labels. SSL_BEV_SSL_IMAGES says which images are seen without labels: same_images, the keyframes of the labelled
# towns; or more_images, with the frames between them and those of unlabelled towns.
_base_ = '../_base_.py'
ssl_images = '{{$SSL_BEV_SSL_IMAGES:same_images}}'
seen = dict(
    same_images=dict(ann_file=['ssl_bev_infos_train.pkl']),
    more_images=dict(ann_file=['ssl_bev_infos_train.pkl', 'ssl_bev_infos_unlabelled.pkl'], frames='all'),
)[ssl_images]
epoch = dict(type='MixedSourceSampler', per_batch=[2], batches=50)

bev_labels = dict(type='LoadBEVMasks')
targets = dict(type='LoadAccumulatedTargets', root=f'{_base_.data_root}/accumulated/{ssl_images}')
every_label = [*_base_.images, _base_.pseudo_labels, bev_labels, targets, *_base_.augment_and_pack]
single = dict(_base_.ssl_dataloader.dataset, num_frames=1, **seen)
pair_dataset = dict(_base_.ssl_dataloader.dataset, **seen)
labelled_dataset = _base_.labelled_dataloader.dataset
joint_datasets = [dict(labelled_dataset, pipeline=every_label), dict(single, pipeline=every_label)]
two = dict(_base_.loader, num_workers=1, batch_size=2)

# Pseudo-labels of two frames: the paper's pretraining. Of one frame: the 2-D stage.
pretrain_dataloader = dict(two, batch_size=1, sampler=dict(epoch, per_batch=[1]), dataset=pair_dataset)
perspective_dataloader = dict(two, sampler=epoch, dataset=single)
# BEV labels only; with pseudo-labels of the same frames; and with those of any frame in the other half of the batch.
labelled_dataloader = dict(num_workers=1, batch_size=2, sampler=dict(_delete_=True, **epoch))
assisted_dataset = dict(
    labelled_dataset, pipeline=[*_base_.images, _base_.pseudo_labels, bev_labels, *_base_.augment_and_pack]
)
assisted_dataloader = dict(two, sampler=epoch, dataset=assisted_dataset)
joint_dataloader = dict(
    two,
    sampler=dict(epoch, per_batch=[1, 1]),
    dataset=dict(type='ConcatDataset', datasets=joint_datasets),
)

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
    img_backbone=dict(base_channels=24),
    img_neck=dict(in_channels=[24, 48, 96]),
    accumulated_loss=dict(type='SegmentationLoss', positive_weight=[1.0, 10.0, 6.0], dice_weight=0.5),
)
train_cfg = dict(val_interval=4)
log_processor = dict(window_size=10)  # as long as the logger's interval, so that logged times add up
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1, save_best='bev/mIoU', rule='greater'))
