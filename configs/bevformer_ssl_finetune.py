# Phase 2: fine-tune the pretrained model on half of the BEV labels.
_base_ = './_base_/bevformer_tiny_nuscenes.py'
load_from = 'work_dirs/bevformer_ssl_pretrain/epoch_12.pth'
train_dataloader = _base_.labelled_dataloader
train_dataloader.dataset.label_fraction = 0.5
train_cfg = dict(max_epochs=12, val_interval=12)
phases = [dict(name='finetune', epochs=12, losses=dict(seg=1.0), init_classes='coarse')]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
