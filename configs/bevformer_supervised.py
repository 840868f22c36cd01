# The baseline: all BEV labels, no pseudo-labels.
_base_ = './_base_/bevformer_tiny_nuscenes.py'
train_dataloader = _base_.labelled_dataloader
model = dict(loss_weights=dict(seg=1.0))
