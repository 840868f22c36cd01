# Both phases on the real keyframes: pseudo-labels of all nine, then the BEV labels of half of the scenes; evaluated on the
# other half, whose BEV labels are not used. It shows that all steps work on real data; so few frames show no gain.
# Data as for nuscenes_part_ssl.py.
_base_ = ['./nuscenes_part_ssl.py', '../_base_/schedules/finetune.py']
fine = ['drivable_area', 'lane_divider', 'road_divider']  # the map has crossings in one scene only, and no stop lines
coarse = dict(drivable=fine[:1], marking=fine[1:])
labelled = dict(_base_.dataset, **_base_.frames, scene_list=_base_.others)
labelled_pipeline = [*_base_.images, dict(type='LoadBEVMasks'), *_base_.augment_and_pack]
labelled_dataloader = dict(
    batch_size=1,
    dataset=dict(_delete_=True, type='RepeatDataset', times=30, dataset=dict(labelled, pipeline=labelled_pipeline)),
)
phases = [
    dict(name='pretrain', epochs=2, losses=dict(reprojection=1.0, perspective=0.5)),
    dict(_base_.finetune, epochs=1, lr=1e-3),
]
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases = phases
train_cfg = dict(max_epochs=3, val_interval=3)
val_dataloader = dict(dataset=dict(scene_list=_base_.held_apart))
test_dataloader = val_dataloader
model = dict(
    seg_head=dict(
        predict_classes='fine',
        classes=fine,
        coarse_classes=list(coarse.items()),
        new_classes=(),
    ),
    objectives=dict(seg=dict(loss=dict(positive_weight=[1.0, 6.0, 6.0]))),
)
val_evaluator = [
    dict(type='BEVIoUMetric', classes=fine),
    dict(type='BEVIoUMetric', classes=_base_.names, merge=coarse, prefix='coarse'),
]
test_evaluator = val_evaluator
