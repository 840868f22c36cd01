# Completed maps and training on published labels as they are.
_base_ = './joint_completed.py'
joint_dataloader = _base_.joint_dataloader
joint_dataloader.dataset.datasets[0].label_dir = 'bev_labels'
for dataset in joint_dataloader.dataset.datasets:
    for step in dataset.pipeline:
        if step.get('kind') == 'self':
            step.root += '_published'
del dataset, step
