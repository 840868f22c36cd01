# The baseline: all BEV labels, and nothing else.
_base_ = './_base_/bevformer_tiny_nuscenes.py'
train_dataloader = _base_.labelled_dataloader
model = dict(loss_weights=dict(seg=1.0))
