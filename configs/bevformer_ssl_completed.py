# A 2-D stage for the image backbone, then training on all frames with maps that the network of configs/map_completion.py
# completed. BEV labels (of half of the scenes) train only that network.
_base_ = './_base_/bevformer_tiny_nuscenes.py'
completed = dict(type='LoadAccumulatedTargets', root=f'{_base_.data_root}/completed', kind='completed')
train_dataloader = _base_.ssl_dataloader
train_dataloader.dataset.pipeline = [*_base_.ssl_pipeline[:3], completed, *_base_.ssl_pipeline[3:]]
learn = dict(type='TargetMapLoss', kind='completed', loss=_base_.model.objectives.seg.loss)
model = dict(objectives=dict(completed=learn))
preparation = dict(completion='{{ fileDirname }}/map_completion.py')  # for tools/prepare_targets.py
phases = [
    dict(name='perspective', epochs=4, losses=dict(perspective=1.0)),
    dict(name='completed', epochs=20, losses=dict(completed=1.0, perspective=0.5)),
]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
