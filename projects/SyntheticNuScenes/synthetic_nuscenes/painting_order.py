"""The painting order of boxes, so that near ones hide far ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .structures import Box

_LARGE = 6.0  # metres; longer boxes cannot be sorted by one depth


def hides(boxes: Sequence[Box], eye: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return (M, N) bool, True where box m stands across the line of sight from ``eye`` (2,) to centre n (N, 2)."""
    positions = np.array([box.center[:2] for box in boxes]).reshape(-1, 2)
    half = np.array([box.size[:2] for box in boxes]).reshape(-1, 2) / 2 * 0.98
    yaw = np.array([box.yaw for box in boxes])
    axes = np.stack(
        [np.stack([np.cos(yaw), np.sin(yaw)], -1), np.stack([-np.sin(yaw), np.cos(yaw)], -1)], 1
    )  # (M, 2, 2)
    start = np.einsum('mak,mk->ma', axes, eye - positions)[:, None]  # (M, 1, 2), in the boxes' frames
    stop = np.einsum('mak,mnk->mna', axes, centres[None] - positions[:, None])
    step = np.where(np.abs(stop - start) < 1e-9, 1e-9, stop - start)
    first, last = (-half[:, None] - start) / step, (half[:, None] - start) / step
    enter = np.minimum(first, last).max(-1)
    leave = np.maximum(first, last).min(-1)
    return (enter < leave) & (enter > 0) & (enter < 1)


def painting_order(boxes: Sequence[Box], depths: np.ndarray, eye: np.ndarray) -> list[int]:
    """Return the indices of ``boxes``, to be painted one after the other.

    Small boxes are sorted by depth. A large one, such as a building along the road, is painted before everything that
    it doesn't stand in front of, whatever its depth.

    Args:
        boxes: To paint.
        depths: (N,) depth of each box's middle.
        eye: (2,) position of the camera.
    """
    depths = np.asarray(depths, dtype=float)
    far_first = [int(i) for i in np.argsort(-depths, kind='stable')]
    large = [i for i in far_first if max(boxes[i].size[:2]) > _LARGE]
    if not large:
        return far_first
    centres = np.array([box.center[:2] for box in boxes])
    hidden = dict(zip(large, hides([boxes[i] for i in large], eye, centres), strict=True))
    for index in range(len(large)):
        for later in range(index + 1, len(large)):
            if hidden[large[index]][large[later]]:
                large[index], large[later] = large[later], large[index]
    order: list[int] = []
    rest = [i for i in far_first if i not in hidden]
    for block in large:
        order += [*(i for i in rest if hidden[block][i]), block]
        rest = [i for i in rest if not hidden[block][i]]
    return order + rest
