"""The rigid motion that fits a published map to the evidence of a scene: real maps are offset by decimetres.

The criterion is mutual information: the map must only *predict* the evidence. It needs neither calibrated probabilities
nor paint at each line of the map, so worn dividers, arrows and edge lines do no harm. Each class counts by the fraction
of its entropy that the map explains, so that thin paint is not dominated by the edges of wide roads, which teachers see
less sharply.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import cv2
import numpy as np
from scipy.optimize import minimize
from scipy.stats import entropy

from ssl_bev.geometry import BEVGrid

# Certainly absent, undecided, certainly present.
_BINS = (0.0, 1 / 3, 2 / 3, 1.0)
# Expected standard deviations of the offset along x and y, metres, and of the rotation, radians.
_SIGMA = np.array([0.5, 0.5, 0.01])
# Independent observations per cell of evidence, since errors of neighbours are correlated.
_CELL_INFORMATION = 0.25


class Correction(NamedTuple):
    """The motion of a map: p -> center + R (p - center) + offset.

    Args:
        offset: metres.
        rotation: radians, counter-clockwise.
        center: of the rotation, metres.
        gain: gain in mutual information against the published map, bits per cell, with equal weight of all classes.
    """

    offset: tuple[float, float]
    rotation: float
    center: tuple[float, float]
    gain: float = 0.0

    def matrix(self) -> np.ndarray:  # (3, 3)
        """The motion on (x, y, 1)."""
        cos, sin = np.cos(self.rotation), np.sin(self.rotation)
        turn = np.array([[cos, -sin], [sin, cos]])
        motion = np.eye(3)
        motion[:2, :2] = turn
        motion[:2, 2] = self.center - turn @ self.center + self.offset
        return motion


def register_map(
    masks: np.ndarray,  # (K, H, W), 0 ... 1
    probability: np.ndarray,  # (K, H, W), 0 ... 1
    weight: np.ndarray,  # (K, H, W), >= 0
    grid: BEVGrid,
) -> Correction:
    """Find the motion of the map that maximises its mutual information with the evidence.

    A coarse search over offsets and rotations is followed by a simplex search from the best. A normal prior keeps near
    0 what the evidence does not determine, such as the offset along a straight road. Classes without evidence do not
    count.

    Args:
        masks: the drawn classes of the map; edges may be soft.
        probability: of each class in the evidence.
        weight: of the evidence in each cell; 0 = not observed. Values above 1 count as 1.
        grid: of all three.

    Returns:
        The motion about the centre of the observed area.

    Raises:
        ValueError: shapes that differ, or nothing observed.
    """
    for name, value in (('probability', probability), ('weight', weight)):
        if value.shape != masks.shape or value.shape[1:] != grid.shape:
            raise ValueError(f'{name} must be {masks.shape} on the grid {grid.shape}, got {value.shape}')
    has_evidence = weight.any((1, 2))
    masks, probability, weight = masks[has_evidence], probability[has_evidence], weight[has_evidence]
    rows, columns = np.nonzero(weight.any(0))
    if not rows.size:
        raise ValueError('weight is 0 everywhere: nothing was observed that the map could be registered to')
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    seen = (slice(None), slice(top, bottom), slice(left, right))
    window = BEVGrid(
        tuple(grid.x_range[0] + grid.cell_size * np.array([left, right])),
        tuple(grid.y_range[0] + grid.cell_size * np.array([top, bottom])),
        grid.cell_size,
    )
    bins = _soft_bins(probability[seen], np.minimum(weight[seen], 1))
    center = (np.array([columns.mean(), rows.mean()]) + 0.5) * grid.cell_size + (grid.x_range[0], grid.y_range[0])
    # A sharp map loses detail when moved by fractions of a cell, which would favour whole cells: blur it first.
    maps = [cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.0) for mask in masks]

    def correction(position: np.ndarray) -> Correction:  # in standard deviations of the prior
        x, y, rotation = position * _SIGMA
        return Correction((x, y), rotation, tuple(center))

    entropies = np.array([entropy(each.sum(1, dtype=np.float64)) for each in bins])
    scales = np.divide(entropies.mean(), entropies, out=np.zeros_like(entropies), where=entropies > 0)

    def information(position: np.ndarray) -> float:
        moved = _move(maps, correction(position), grid, window)
        return float(scales @ [*map(mutual_information, bins, moved)])

    effective = _CELL_INFORMATION * sum(b.sum() for b in bins) / len(bins)

    def cost(position: np.ndarray) -> float:
        return -effective * information(position) + 0.5 * (position**2).sum()

    offsets, rotations = (-1.2, -0.6, 0, 0.6, 1.2), (-0.8, 0, 0.8)
    start = min(map(np.array, product(offsets, offsets, rotations)), key=cost)
    simplex = start + np.vstack([np.zeros(3), 0.3 * np.eye(3)])
    best = minimize(cost, start, method='Nelder-Mead', options=dict(initial_simplex=simplex, xatol=0.01, fatol=1e-3)).x
    gain = (information(best) - information(np.zeros(3))) / np.log(2)
    return correction(best)._replace(gain=float(gain))


def mutual_information(
    bins: np.ndarray,  # (B, P), >= 0
    mask: np.ndarray,  # (P,), 0 ... 1
) -> float:
    """Mutual information of a map class and the evidence in the same cell, nats.

    Args:
        bins: weight of each cell for each value of the evidence.
        mask: fraction of each cell that the class covers.
    """
    total = bins.sum(1, dtype=np.float64)
    inside = (bins @ mask).astype(np.float64)
    joint = np.stack([inside, np.maximum(total - inside, 0)]) / total.sum()
    independent = joint.sum(1, keepdims=True) * joint.sum(0)
    counted = joint > 0
    return float((joint[counted] * np.log(joint[counted] / independent[counted])).sum())


def _soft_bins(probability: np.ndarray, weight: np.ndarray) -> np.ndarray:  # (K, B, P)
    inner = np.digitize(probability, _BINS[1:-1])
    bins = np.stack([weight * (inner == b) for b in range(len(_BINS) - 1)], 1).astype(np.float32)
    return bins.reshape(*bins.shape[:2], -1)


def _move(
    maps: Sequence[np.ndarray], correction: Correction, grid: BEVGrid, window: BEVGrid
) -> list[np.ndarray]:  # K of (P,)
    """The part of moved maps that lies in a window of their grid."""
    new2old = (np.linalg.inv(_cell2xy(grid)) @ np.linalg.inv(correction.matrix()) @ _cell2xy(window))[:2]
    arguments = dict(flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    return [cv2.warpAffine(each, new2old, window.shape[::-1], **arguments).ravel() for each in maps]


def _cell2xy(grid: BEVGrid) -> np.ndarray:  # (3, 3), from (column, row) of cell centres
    matrix = np.diag([grid.cell_size, grid.cell_size, 1])
    matrix[:2, 2] = np.array([grid.x_range[0], grid.y_range[0]]) + grid.cell_size / 2
    return matrix
