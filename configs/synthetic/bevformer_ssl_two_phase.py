# Both phases in one run: pretraining on all frames, fine-tuning on half of the BEV labels.
_base_ = ['./_from_teacher_.py', '../_base_/schedules/finetune.py']
train_dataloader = _base_.ssl_dataloader
labelled_dataloader = _base_.labelled_dataloader
labelled_dataloader.dataset.label_fraction = 0.5
train_cfg = dict(max_epochs=10, val_interval=10)
pretrain = dict(name='pretrain', epochs=2, losses=dict(reprojection=1.0, temporal=0.5, perspective=0.5))
finetune = dict(_base_.finetune, epochs=8, lr=1e-3)
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=[pretrain, finetune])]
