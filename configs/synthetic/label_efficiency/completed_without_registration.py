# Maps that were completed by a network that learnt from published labels as they are.
_base_ = './completed_only.py'
train_dataloader = _base_.train_dataloader
for step in train_dataloader.dataset.pipeline:
    if step.get('kind') == 'completed':
        step.root += '_published'
del step
