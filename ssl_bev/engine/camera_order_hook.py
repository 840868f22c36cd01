"""Stop if the cameras have another order than in training, since a model may learn from their positions."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module()
class CameraOrderHook(Hook):
    """Compare the cameras of each dataset of a run with those of its checkpoint, or of its first dataset.

    BEVFormer learns an embedding for the position of each camera in the list. Two info files may have the same cameras
    in another order, or one camera less. Cameras that only one of them has are no error: the rig may be another one.

    Datasets list their cameras in `metainfo['camera_names']`, as `BEVDataset` does; mmengine saves it with the
    weights. Other datasets are not compared.

    Raises:
        ValueError: with the cameras and their positions.
    """

    def __init__(self) -> None:
        self.names: Sequence[str] | None = None
        self.source = ''

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """What a model was trained with."""
        meta = checkpoint.get('meta', {}).get('dataset_meta') or {}
        self.names, self.source = meta.get('camera_names'), 'the checkpoint'

    def before_train_epoch(self, runner: Runner) -> None:
        """Compare in each epoch, since phases have their own data."""
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
