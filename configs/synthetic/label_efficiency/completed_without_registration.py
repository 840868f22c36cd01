# Maps that were completed by a network that learnt from published labels as they are.
_base_ = './completed_only.py'
unlabelled_dataloader = _base_.unlabelled_dataloader
for step in unlabelled_dataloader.dataset.pipeline:
    if step.get('kind') == 'self':
        step.root += '_published'
del step
