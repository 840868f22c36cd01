# Completed maps on all frames alike: BEV labels only teach how maps are completed.
_base_ = './joint_completed.py'
unlabelled_dataloader = _base_.unlabelled_dataloader
unlabelled_dataloader.dataset.pipeline = _base_.joint_dataloader.dataset.datasets[1].pipeline
custom_hooks = _base_.custom_hooks
phase = custom_hooks[-1].phases[-1]
phase.losses = dict(loss_self=1.0, loss_perspective=0.5)
phase.train_dataloader = 'unlabelled_dataloader'
del phase
