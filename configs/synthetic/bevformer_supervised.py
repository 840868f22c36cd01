# The baseline: all BEV labels, no pseudo-labels.
_base_ = './_base_.py'
train_dataloader = _base_.labelled_dataloader
train_cfg = dict(max_epochs=8, val_interval=8)
model = dict(loss_weights=dict(seg=1.0))
