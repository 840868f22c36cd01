# Both phases in one run: pretraining on all frames, fine-tuning on half of the BEV labels.
_base_ = ['./_base_/bevformer_tiny_nuscenes.py', './_base_/schedules/finetune.py']
train_dataloader = _base_.ssl_dataloader
labelled_dataloader = _base_.labelled_dataloader
labelled_dataloader.dataset.label_fraction = 0.5
pretrain = dict(name='pretrain', epochs=12, losses=dict(reprojection=1.0, temporal=0.5, perspective=0.5))
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=[pretrain, _base_.finetune])]
