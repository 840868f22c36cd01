_base_ = ['../bevformer_supervised.py', '../_base_/protocols/bevfusion.py']
model = _base_.protocol.model
train_dataloader = labelled_dataloader = val_dataloader = test_dataloader = _base_.protocol.dataloader
val_evaluator = test_evaluator = _base_.protocol.evaluator
