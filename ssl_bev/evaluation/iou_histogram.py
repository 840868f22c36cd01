"""Counts for IoU at many thresholds, in one pass over the cells.

A histogram has the axes (K, R, 2, B): class, region, ground truth 0 or 1, and the number of thresholds that the
predicted probability reaches. Regions are the range rings and, last, the cells in no ring.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ssl_bev.targets import IGNORE


def ring_index(
    cell_centers: Tensor,  # (H, W, 2), metres
    rings: Sequence[tuple[float, float]],
) -> Tensor:  # (H, W), int64
    """The ring of the centre of each cell, by its distance from the origin; len(rings) if there is none.

    A ring includes its inner radius and excludes its outer one.
    """
    distance = cell_centers.norm(dim=-1)
    index = torch.full(distance.shape, len(rings), dtype=torch.int64, device=distance.device)
    for i, (inner, outer) in enumerate(rings):
        index[(distance >= inner) & (distance < outer)] = i
    return index


def iou_histogram(
    probability: Tensor,  # (K, H, W)
    target: Tensor,  # (K, H, W), uint8: 0, 1, or 255 = ignore
    region: Tensor,  # (H, W), int64
    num_regions: int,
    thresholds: Tensor,  # (M,), ascending
) -> Tensor:  # (K, R, 2, M + 1), int64
    """Count cells by class, region, truth and number of thresholds reached (p >= t). Ignored cells are left out."""
    num_classes, bins = len(target), len(thresholds) + 1
    reached = torch.bucketize(probability.contiguous(), thresholds, right=True)
    index = torch.arange(num_classes, device=target.device).view(-1, 1, 1) * num_regions + region
    index = (index * 2 + target.clamp(max=1)) * bins + reached
    counts = torch.bincount(index[target != IGNORE], minlength=num_classes * num_regions * 2 * bins)
    return counts.view(num_classes, num_regions, 2, bins)


def iou_from_histogram(
    histogram: Tensor,  # (..., 2 or 3, B), integer
) -> Tensor:  # (..., B - 1), float64
    """IoU at each threshold; NaN where the ground truth has no positive cell.

    For the three kinds of cells of `tolerant_histogram` it is P R / (P + R - P R), with precision P and recall R; that
    holds for strict counts as well.
    """
    at_least = histogram.flip(-1).cumsum(-1).flip(-1).double()  # cells that reach at least so many thresholds
    false_positive, found, positive = at_least[..., 0, 1:], at_least[..., 1, 1:], at_least[..., 1, :1]
    if histogram.shape[-2] == 2:
        iou = found / (positive + false_positive)
    else:
        right = at_least[..., 2, 1:]
        precision, recall = right / (right + false_positive).clamp(min=1), found / positive
        iou = precision * recall / (precision + recall - precision * recall).clamp(min=1e-12)
    return torch.where(positive > 0, iou, torch.nan)
