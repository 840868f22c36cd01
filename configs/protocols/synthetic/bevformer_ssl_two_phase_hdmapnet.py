# The same for two CPU cores. Thin classes have higher weights, as in all configs of the synthetic world.
_base_ = ['../../synthetic/bevformer_ssl_two_phase.py', '../../_base_/protocols/hdmapnet.py']
model = _base_.protocol.model
model.objectives.seg.loss.positive_weight = [6.0, 6.0, 6.0]
train_dataloader = labelled_dataloader = val_dataloader = test_dataloader = _base_.protocol.dataloader
val_evaluator = test_evaluator = _base_.protocol.evaluator
