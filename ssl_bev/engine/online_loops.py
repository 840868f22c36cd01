"""Validation and test that see each frame once and carry the history along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmdet3d.registry import LOOPS
from mmengine.model import BaseModel
from mmengine.runner import BaseLoop, TestLoop, ValLoop

from .model_wrappers import unwrapped
from .online import OnlineSteps
from .pinned_memory import unpin_without_gpu
from .scene_sampler import SceneContiguousSampler


class _OnlineLoop(BaseLoop):
    """What both loops share."""

    def __init__(self, *arguments: Any, whole_scenes: bool = False, **more: Any) -> None:
        super().__init__(*arguments, **more)
        unpin_without_gpu(self.dataloader)
        dataset, sampler, model = self.dataloader.dataset, self.dataloader.sampler, unwrapped(self.runner.model)
        self.num_frames = None if whole_scenes else getattr(dataset, 'num_frames', 1)
        self.is_online = self.num_frames != 1
        if not self.is_online:
            return
        if not isinstance(sampler, SceneContiguousSampler):
            raise ValueError(
                f"{type(self).__name__} carries the history from sample to sample, the dataloader's sampler is "
                f"{type(sampler).__name__}; use sampler=dict(type='SceneContiguousSampler')"
            )
        for part, name in ((dataset, 'drop_history'), (model, 'frame_inputs')):
            if not hasattr(part, name):
                raise ValueError(
                    f'{type(self).__name__} needs a BEVDataset and a BEVSegmentor; {type(part).__name__} has no {name}'
                )
        dataset.drop_history()

    def run(self) -> dict:
        """As mmengine's."""
        if not self.is_online:
            return super().run()
        model = unwrapped(self.runner.model)
        with _steps_replaced(model, OnlineSteps(model, self.num_frames, self.dataloader.dataset.max_time_gap)):
            return super().run()


@LOOPS.register_module()
class OnlineValLoop(_OnlineLoop, ValLoop):
    """mmengine's `ValLoop` for windows of frames: each frame is loaded and goes through the image backbone once.

    The figures are those of the windows, by `predict_online`. A dataset of single frames is validated as ever. Each
    process has whole scenes, by `SceneContiguousSampler`.

    Args:
        whole_scenes: the history reaches back to where the scene began, as on a vehicle, and not only over the
            dataset's `num_frames`: other figures, and the least work.

    Raises:
        ValueError: another sampler, dataset or model, or samples whose history is not the samples before them.

    Example:
        >>> val_cfg = dict(type='OnlineValLoop')
    """


@LOOPS.register_module()
class OnlineTestLoop(_OnlineLoop, TestLoop):
    """mmengine's `TestLoop`, as `OnlineValLoop`."""


@contextmanager
def _steps_replaced(model: BaseModel, steps: OnlineSteps) -> Iterator[None]:
    model.val_step = model.test_step = steps
    try:
        yield
    finally:
        del model.val_step, model.test_step
