# Joint training with paint as Mapillary v1.2 names it: markings that are not told apart, and crosswalks.
_base_ = './joint.py'
paint_classes = dict(
    drivable=['drivable_area'], marking=['lane_divider', 'road_divider', 'stop_line'], crosswalk=['ped_crossing']
)
paint_loss = dict(positive_weight=[1.0, 10.0, 6.0])
model = dict(
    seg_head=dict(coarse_classes=list(paint_classes.items())),
    reprojection_head=dict(loss=paint_loss),
    perspective_head=dict(num_classes=len(paint_classes), loss=paint_loss),
    accumulated_loss=paint_loss,
)
train_dataloader, joint_dataloader = _base_.train_dataloader, _base_.joint_dataloader
for dataset in (train_dataloader.dataset, *joint_dataloader.dataset.datasets):
    for step in dataset.pipeline:
        if 'classes' in step:
            step.classes = list(paint_classes)
del dataset, step
