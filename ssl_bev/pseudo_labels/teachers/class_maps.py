"""Labels at image size from the maps of a network, with memory that does not grow with the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_bev.targets import IGNORE

from .decisions import Decision

# Values that are interpolated at once. On a CPU a piece should stay in the cache; on a GPU it should fill the device.
_PIECE_ON_CPU = 2**20
_PIECE_ON_DEVICE = 2**25


@dataclass(frozen=True)
class ClassMaps:
    """The output of a network for images of equal size.

    Attributes:
        values: (B, C, h, w), at any resolution.
        content: the (height, width) of the maps, in their own cells from the top left, that show the image; the
            rest is padding.
        decide: from values at image resolution to class ids and probabilities.
    """

    values: Tensor
    content: tuple[float, float]
    decide: Decision

    def label(self, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Label every pixel of images of (height, width) `size`.

        The values, not the labels, are interpolated, bilinearly and once, so that thin lines are kept. It is done for
        some rows at a time, since all of them would need gigabytes.

        Returns:
            Class ids and confidence, both (B, H, W) uint8; 255 = certain.
        """
        batch, channels = self.values.shape[:2]
        ids = self.values.new_empty((batch, *size), dtype=torch.uint8)
        confidence = torch.empty_like(ids)
        piece = _PIECE_ON_CPU if ids.device.type == 'cpu' else _PIECE_ON_DEVICE
        step = max(1, piece // (batch * channels * size[1]))
        for first in range(0, size[0], step):
            rows = slice(first, min(first + step, size[0]))
            classes, probability = self.decide(self._at_image_rows(rows, size))
            ids[:, rows] = classes
            confidence[:, rows] = probability.mul_(255).round_()
        return ids.cpu().numpy(), confidence.cpu().numpy()

    def _at_image_rows(self, rows: slice, size: tuple[int, int]) -> Tensor:  # (B, C, R, W)
        if self.content == size:
            return self.values[:, :, rows, : size[1]]
        shares = [part / whole for part, whole in zip(self.content, self.values.shape[2:], strict=True)]
        device = self.values.device
        v = torch.arange(rows.start, rows.stop, device=device, dtype=torch.float32).add_(0.5)
        u = torch.arange(size[1], device=device, dtype=torch.float32).add_(0.5)
        v, u = (2 * share / length * p - 1 for p, share, length in zip((v, u), shares, size, strict=True))
        grid = torch.stack(torch.meshgrid(v, u, indexing='ij')[::-1], -1)
        grid = grid.expand(len(self.values), *grid.shape).to(self.values.dtype)
        return F.grid_sample(self.values, grid, padding_mode='border', align_corners=False)


@dataclass(frozen=True)
class IdMaps:
    """Class ids of images of equal size, from a network without confidence.

    Attributes:
        ids: (B, h, w) uint8, at any resolution; 255 = ignore.
        content: see `ClassMaps`.
    """

    ids: np.ndarray
    content: tuple[float, float]

    def label(self, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Label every pixel of images of (height, width) `size` with the id of the nearest cell.

        Returns:
            Class ids and confidence, both (B, H, W) uint8; 255 everywhere except on ignored pixels.
        """
        rows, columns = (
            ((np.arange(length) + 0.5) * part / length).astype(np.int64)
            for part, length in zip(self.content, size, strict=True)
        )
        ids = self.ids[:, rows[:, None], columns]
        return ids, np.where(ids == IGNORE, 0, 255).astype(np.uint8)
