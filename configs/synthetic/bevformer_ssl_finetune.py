# Phase 2: fine-tune the pretrained model on half of the BEV labels.
_base_ = './_base_.py'
load_from = 'work_dirs/bevformer_ssl_pretrain/epoch_2.pth'
train_dataloader = _base_.labelled_dataloader
train_dataloader.dataset.label_fraction = 0.5
train_cfg = dict(max_epochs=8, val_interval=4)
phases = [dict(name='finetune', epochs=8, losses=dict(seg=1.0), lr=1e-3, init_classes='coarse')]
custom_hooks = [*_base_.custom_hooks, dict(type='TwoPhaseHook', phases=phases)]
