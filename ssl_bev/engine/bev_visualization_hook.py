"""Panels of some validation samples, for the visualizer of the runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ssl_bev.structures import BEVDataSample
from ssl_bev.visualization import draw_sample


@HOOKS.register_module()
class BEVVisualizationHook(Hook):
    """At each validation, draw the first samples as panels: cameras, predicted map, BEV labels.

    Without images, as for a model of lidar points, the maps are drawn alone.

    They go to the backends of the visualizer as `val_{number}`: files of `LocalVisBackend` in `vis_data/vis_image`, and
    the tab "Images" of `TensorboardVisBackend`. Their step is the epoch, as for the metrics of the validation.

        default_hooks = dict(visualization=dict(type='BEVVisualizationHook', num_samples=2))
        visualizer = dict(vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')])

    Args:
        num_samples: number of samples, the first ones of the first process.

    Raises:
        ValueError: `num_samples` is not positive.
    """

    priority = 'LOW'

    def __init__(self, num_samples: int = 1) -> None:
        if num_samples < 1:
            raise ValueError(f'num_samples must be at least 1, got {num_samples}')
        self.num_samples = num_samples
        self._drawn = 0

    def before_val_epoch(self, runner: Runner) -> None:
        self._drawn = 0

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Mapping,
        outputs: Sequence[BEVDataSample],
    ) -> None:
        if runner.rank != 0:
            return
        windows = data_batch['inputs'].get('img', [torch.zeros(0, 3, 1, 1)] * len(outputs))
        for window, sample in zip(windows, outputs, strict=True):
            if self._drawn == self.num_samples:
                return
            # (T, N, 3, H, W), of a detector (N, 3, H, W)
            panel = draw_sample(window[-1] if window.ndim == 5 else window, sample.cpu())
            runner.visualizer.add_image(f'val_{self._drawn}', panel[..., ::-1].copy(), step=runner.epoch)
            self._drawn += 1
