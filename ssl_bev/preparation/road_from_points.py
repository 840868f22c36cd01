"""The road of a scene from the lidar points of its frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from ssl_bev.geometry import Road

from .accumulate_scene import scene_raster
from .road_model import RoadModel

_REACH = 40.0  # metres; beyond, there are few points on the ground
_CELL = 1.0  # metres
_CELL_BYTES = 40  # of memory
_LOWEST = 10  # per cent: objects on the ground are higher
_LAYER = 0.1  # metres
_NOISE = 0.05  # metres
# First only close points, then all that fit: largest distance, and largest height above or below the ground, metres.
_ROUNDS = ((10.0, 0.4), (15.0, 0.3), (25.0, 0.3), (_REACH, 0.3), (_REACH, 0.2), (_REACH, 0.15), (_REACH, 0.15))
_ENOUGH = 3  # frames with points that are needed to judge the poses
_DETAIL_GATE = 0.4  # metres of kerbs and pavements above the model
_DETAIL_WIDTH = 1.5  # metres, of the smoothing


def lowest_points(
    points: np.ndarray,  # (P, 3), metres in the ego frame
) -> np.ndarray:  # (Q, 3)
    """The mean of the lowest points of each square metre that has any: on the ground, if nothing stands there."""
    points = points[np.abs(points[:, :2]).max(1) < _REACH].astype(np.float64)
    column, row = np.floor(points[:, :2] / _CELL).astype(np.int64).T
    cell = row * 1_000_003 + column
    order = np.lexsort((points[:, 2], cell))
    points = points[order]
    _, start, cell, count = np.unique(cell[order], return_index=True, return_inverse=True, return_counts=True)
    bottom = points[start + (count * _LOWEST) // 100, 2]
    low = points[:, 2] <= bottom[cell] + _LAYER
    total = np.stack([np.bincount(cell, low * values) for values in points.T], 1)
    return total / np.bincount(cell, low)[:, None]


def fit_points(
    model: RoadModel,
    clouds: Sequence[np.ndarray | None],  # F of (P, 3), metres in the ego frames
) -> tuple[RoadModel, np.ndarray]:  # model, (n,)
    """The road through the lowest points of the frames, robust against objects on it.

    Robust least squares (Tukey's biweight) for the vector of the model, with the prior as part of the equations. If the
    planes of frames with points match the poses, the poses are trusted for all frames.

    Args:
        model: of the scene.
        clouds: from `lowest_points`; None if a frame has none.

    Returns:
        The model with the final prior, and its vector.
    """
    found = _fit(model, clouds)
    measured = [t for t, cloud in enumerate(clouds) if cloud is not None]
    if len(measured) >= _ENOUGH:
        told = np.stack([model.poses[:, 2, 3], *model.poses[:, 2, :2].T], 1)
        height, *tilt = (model.planes(found) - told)[measured].std(0)
        if max(tilt) < model.belief.spring:
            trust = dict(poses='complete', pose_height=max(height, 0.005), pose_tilt=max(*tilt, 0.0005))
            model = RoadModel(model.poses, replace(model.belief, **trust))
            found = _fit(model, clouds)
    return model, found


def _fit(model: RoadModel, clouds: Sequence[np.ndarray | None]) -> np.ndarray:  # (n,)
    found = model.mean
    for reach, gate in _ROUNDS:
        matrix, right = model.precision.copy(), model.precision @ model.mean
        for t, cloud in enumerate(clouds):
            if cloud is None:
                continue
            near = cloud[np.hypot(cloud[:, 0], cloud[:, 1]) < reach]
            rows = model.rows(t, near[:, :2])
            misfit = (near[:, 2] - rows @ found) / gate
            weight = np.where(np.abs(misfit) < 1, (1 - misfit**2) ** 2, 0.0) / _NOISE**2
            matrix += rows.T @ (rows * weight[:, None])
            right += rows.T @ (near[:, 2] * weight)
        found = np.linalg.solve(matrix, right)
    return found


def fit_details(
    model: RoadModel,
    found: np.ndarray,  # (n,)
    clouds: Sequence[np.ndarray | None],  # F of (P, 3)
) -> tuple[Road, np.ndarray]:  # road, (Q, 2)
    """The ground beyond the model, such as kerbs and crowns: smoothed mean residuals of all frames.

    Returns:
        Heights over the model, in global coordinates; and the global positions of the points that lie on the ground.
    """
    grid, origin = scene_raster(model.poses[:, :2, 3], _REACH, _CELL, _CELL_BYTES)
    total, count = np.zeros(grid.shape), np.zeros(grid.shape)
    seen = [np.zeros((0, 2))]
    for t, cloud in enumerate(clouds):
        if cloud is None:
            continue
        misfit = cloud[:, 2] - model.rows(t, cloud[:, :2]) @ found
        on_ground = np.abs(misfit) < _DETAIL_GATE
        points = model.to_global(t, cloud[on_ground, :2])
        column, row = grid.xy_to_cell(torch.from_numpy(points - origin)).floor().long().clamp(min=0).numpy().T
        cells = (row.clip(max=grid.shape[0] - 1), column.clip(max=grid.shape[1] - 1))
        np.add.at(total, cells, misfit[on_ground])
        np.add.at(count, cells, 1)
        seen.append(points)
    total, count = (gaussian_filter(each, _DETAIL_WIDTH / _CELL) for each in (total, count))
    heights = total / (count + 0.1)  # 0 where there are no points
    place = torch.eye(4, dtype=torch.float64)
    place[:2, 3] = torch.from_numpy(origin)
    return Road(place, torch.from_numpy(heights), grid), np.concatenate(seen)
