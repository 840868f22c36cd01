# Training on all frames with maps that the network of configs/synthetic/map_completion.py completed. BEV labels (of half
# of the scenes) train only that network.
_base_ = './_from_teacher_.py'
pseudo_labels = dict(_base_.pseudo_labels, stride=4)  # as fine as the image features
completed = dict(type='LoadAccumulatedTargets', root=f'{_base_.data_root}/completed', kind='completed')
train_dataloader = dict(_base_.ssl_dataloader, batch_size=2)
train_dataloader['dataset'].num_frames = 1
train_dataloader['dataset'].pipeline = [*_base_.images, pseudo_labels, completed, *_base_.augment_and_pack]
train_cfg = dict(max_epochs=8, val_interval=4)
learn = dict(type='TargetMapLoss', kind='completed', loss=_base_.model.objectives.seg.loss)
model = dict(objectives=dict(completed=learn))
preparation = dict(completion='{{ fileDirname }}/map_completion.py')  # for tools/prepare_targets.py
phases = [dict(name='completed', epochs=8, losses=dict(completed=1.0, perspective=0.5))]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
