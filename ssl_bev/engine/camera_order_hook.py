"""Stop when cameras have other places than in training: a model may learn something of each place."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module()
class CameraOrderHook(Hook):
    """Compare the cameras of each data set that a run reads with those of its checkpoint, or of its first data set.

    BEVFormer learns an embedding of each camera's place among the others. Two info files may have the same cameras in
    another order, or one camera less. Cameras that only one of both has are no error: a rig may be another one.

    Data sets say their cameras in `metainfo['camera_names']`, which `BEVDataset` does; mmengine saves it with the
    weights. Others are not compared.

    Raises:
        ValueError: naming the cameras and their places.
    """

    def __init__(self) -> None:
        self.names: Sequence[str] | None = None
        self.source = ''

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """What a model was trained with."""
        meta = checkpoint.get('meta', {}).get('dataset_meta') or {}
        self.names, self.source = meta.get('camera_names'), 'the checkpoint'

    def before_train_epoch(self, runner: Runner) -> None:
        """Each epoch, as phases have their own data."""
        self._compare(runner.train_dataloader.dataset, 'training')

    def before_val_epoch(self, runner: Runner) -> None:
        """Before the first sample."""
        self._compare(runner.val_dataloader.dataset, 'validation')

    def before_test_epoch(self, runner: Runner) -> None:
        """Before the first sample."""
        self._compare(runner.test_dataloader.dataset, 'test')

    def _compare(self, dataset: object, what: str) -> None:
        names = (getattr(dataset, 'metainfo', None) or {}).get('camera_names')
        if not names:
            return
        if not self.names:
            self.names, self.source = names, f'the data for {what}'
        there = {name: place for place, name in enumerate(self.names)}
        moved = [name for place, name in enumerate(names) if there.get(name, place) != place]
        if moved:
            raise ValueError(
                f'camera {moved[0]} is number {there[moved[0]]} in {self.source}, {list(self.names)}, and number '
                f'{names.index(moved[0])} in the data for {what}, {list(names)}; give this dataset '
                f'camera_names={list(self.names)}, and allow_missing_cameras=True if it lacks some'
            )
