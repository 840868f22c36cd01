# Both phases in one run, where all frames of a scene vote before they teach: targets of tools/prepare_targets.py on all
# frames, then fine-tuning on half of the BEV labels.
_base_ = './bevformer_ssl_two_phase.py'
votes = dict(type='LoadAccumulatedTargets', root=f'{_base_.data_root}/votes')
train_dataloader = _base_.ssl_dataloader
train_dataloader.dataset.pipeline = [*_base_.ssl_pipeline[:3], votes, *_base_.ssl_pipeline[3:]]
model = dict(
    objectives=dict(accumulated=dict(type='TargetMapLoss', loss=_base_.model.objectives.reprojection.loss)),
)
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases[0].losses = dict(accumulated=1.0, perspective=0.5)
