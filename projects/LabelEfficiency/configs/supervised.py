# The baseline: BEV labels, and nothing else.
_base_ = './_base_.py'
train_dataloader = _base_.labelled_dataloader
