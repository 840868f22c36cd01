# The paper's recipe with twice the pretraining, and as many steps of fine-tuning as the supervised arm has.
_base_ = './paper.py'
train_cfg = dict(max_epochs=84)
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases[0].epochs = 24
custom_hooks[-1].phases[1].epochs = 60
