# The same in two thirds of the steps.
_base_ = './map_completion.py'
train_cfg = dict(max_epochs=8)
