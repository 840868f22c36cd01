# Joint training in which accumulated targets also teach, on every frame, the BEV classes that mean the same.
_base_ = './joint.py'
same = dict(
    drivable_area='drivable', lane_divider=None, road_divider=None, ped_crossing='crosswalk', stop_line='stop_line'
)
direct = dict(type='LoadAccumulatedTargets', root=_base_.accumulated, kind='self', classes=same)
joint_dataloader = _base_.joint_dataloader
for dataset in joint_dataloader.dataset.datasets:
    dataset.pipeline = [*_base_.every_label[: -len(_base_.augment_and_pack)], direct, *_base_.augment_and_pack]
del dataset
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases[-1].losses.loss_self = 0.5
