"""The maps of neighbouring frames must agree."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from mmdet3d.registry import MODELS
from torch import Tensor

from ..losses import temporal_consistency_loss
from .objective import Frame, Objective, Window


@MODELS.register_module()
class TemporalConsistencyLoss(Objective):
    """Gated agreement of the coarse maps of neighbouring frames, see `temporal_consistency_loss`.

    Source: the temporal loss of arXiv 2602.18066; the gates against its over-smoothing are ours.

    Args:
        min_confidence: least |2 p - 1| of the more certain frame, 0 ... 1. 0 disables the gate.
        max_contrast: largest range of p within 3x3 cells, in both frames. 1 disables the gate.
        num_frames: the number of last frames of the window that are compared, each with the one before.
    """

    reads = 'coarse'
    min_frames = 2

    def __init__(self, min_confidence: float = 0.5, max_contrast: float = 0.5, num_frames: int = 2) -> None:
        super().__init__()
        for name, value in (('min_confidence', min_confidence), ('max_contrast', max_contrast)):
            if not 0 <= value <= 1:
                raise ValueError(f'{name} must lie in 0 ... 1, got {value}')
        if num_frames < self.min_frames:
            raise ValueError(f'num_frames must be at least {self.min_frames}, got {num_frames}')
        self.min_confidence = min_confidence
        self.max_contrast = max_contrast
        self.num_frames = num_frames

    def loss(self, window: Window) -> Tensor:
        """Each frame against the one before; 0 if the window has only one frame."""
        frames = window.frames[-self.num_frames :]
        if len(frames) < self.min_frames:
            return frames[-1].maps[self.reads].logits.sum() * 0.0
        terms = [self._pair(window, earlier, current) for earlier, current in pairwise(frames)]
        return torch.stack(terms).mean()

    def _pair(self, window: Window, earlier: Frame, current: Frame) -> Tensor:
        now, before = current.maps[self.reads], earlier.maps[self.reads]
        return self(
            now.logits,
            before.logits,
            now.grid,
            window.rig.target2source(current.index, earlier.index),
            current.rig.observed(now.grid),
            earlier.rig.observed(now.grid),
            earlier.rig.frame_valid,
            road=current.rig.known_road,
        )

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """The arguments of `temporal_consistency_loss`, without its thresholds."""
        return temporal_consistency_loss(
            *args, min_confidence=self.min_confidence, max_contrast=self.max_contrast, **kwargs
        )
