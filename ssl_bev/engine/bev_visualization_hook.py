"""Panels of some validation samples, for the visualizer of the runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor

from ssl_bev.geometry import BEVGrid
from ssl_bev.structures import BEVDataSample
from ssl_bev.visualization import check_predicted, draw_bev, draw_sample


@HOOKS.register_module()
class BEVVisualizationHook(Hook):
    """At each validation, draw the first samples as panels: cameras, predicted map, BEV labels.

    Without images, as for a model of lidar points, the predicted map is drawn alone.

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
        windows = data_batch['inputs'].get('img', [None] * len(outputs))
        for window, sample in zip(windows, outputs, strict=True):
            if self._drawn == self.num_samples:
                return
            panel = _draw(window, sample.cpu())
            runner.visualizer.add_image(f'val_{self._drawn}', panel[..., ::-1].copy(), step=runner.epoch)
            self._drawn += 1


def _draw(
    window: Tensor | None,  # (T, N, 3, H, W), or of a detector (N, 3, H, W)
    sample: BEVDataSample,
) -> np.ndarray:
    if window is not None:
        return draw_sample(window if window.ndim == 4 else window[-1], sample)
    check_predicted(sample)
    grid = BEVGrid(tuple(sample.x_range), tuple(sample.y_range), sample.cell_size)
    return draw_bev(sample.pred_bev_seg.float().numpy(), sample.pred_classes, grid, bev_frame=sample.bev_frame)
