_base_ = ['../bevformer_ssl_two_phase.py', '../_base_/protocols/hdmapnet.py']
model = _base_.protocol.model
train_dataloader = labelled_dataloader = val_dataloader = test_dataloader = _base_.protocol.dataloader
val_evaluator = test_evaluator = _base_.protocol.evaluator
