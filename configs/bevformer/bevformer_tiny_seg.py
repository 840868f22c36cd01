# BEVFormer-tiny: ResNet-50, one level of 800x450 images, 50x50 queries, 3 layers, 3 frames.
_base_ = './_base_.py'
train_dataloader = _base_.labelled_dataloader
model = dict(loss_weights=dict(seg=1.0))
