# Registered labels, and accumulated pseudo-labels as they are in place of completed maps.
_base_ = './joint_from_teacher.py'
joint_dataloader = _base_.joint_dataloader
joint_dataloader.dataset.datasets[0].label_dir = 'bev_labels_registered'
train_cfg = dict(max_epochs=36)
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases[-1].epochs = 36
