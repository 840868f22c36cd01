"""IoU with a tolerance: predictions close to the ground truth are correct, and ground truth close to them is found.

The strict IoU of lines that are one or two cells wide is almost 0 if they are predicted one cell off.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_bev.targets import IGNORE

from .iou_histogram import iou_histogram


def tolerant_histogram(
    probability: Tensor,  # (K, H, W)
    target: Tensor,  # (K, H, W), uint8: 0, 1, or 255 = ignore
    region: Tensor,  # (H, W), int64
    num_regions: int,
    thresholds: Tensor,  # (M,), ascending
    radius: float,  # cells
) -> Tensor:  # (K, R, 3, M + 1), int64
    """Like `iou_histogram`, with three kinds of cells: first cells far from any true cell, last cells close to one,
    both by their prediction; between them the true cells, by the best prediction close to them.

    Cells with unknown ground truth are in none of them.
    """
    near = dilate((target == 1).float(), radius).to(target.dtype)
    predicted = iou_histogram(probability, near.masked_fill(target == IGNORE, IGNORE), region, num_regions, thresholds)
    found = iou_histogram(dilate(probability, radius), target, region, num_regions, thresholds)
    return torch.stack([predicted[:, :, 0], found[:, :, 1], predicted[:, :, 1]], 2)


def dilate(
    maps: Tensor,  # (K, H, W), not negative
    radius: float,  # cells
) -> Tensor:  # (K, H, W)
    """The highest value of the cells whose centres are at most this far away; outside of the map there is nothing."""
    reach = math.floor(radius + 1e-6)
    height, width = maps.shape[1:]
    padded = F.pad(maps, (reach,) * 4)
    result = maps
    for row in range(-reach, reach + 1):
        for column in range(-reach, reach + 1):
            if math.hypot(row, column) <= radius + 1e-6:
                top, left = reach + row, reach + column
                result = torch.maximum(result, padded[:, top : top + height, left : left + width])
    return result
