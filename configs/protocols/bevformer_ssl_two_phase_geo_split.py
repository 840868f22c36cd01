_base_ = ['../bevformer_ssl_two_phase.py', '../_base_/protocols/geo_split.py']
train_dataloader = labelled_dataloader = _base_.geo_split.train_dataloader
val_dataloader = test_dataloader = _base_.geo_split.val_dataloader
