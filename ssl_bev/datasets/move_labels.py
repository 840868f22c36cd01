"""BEV labels in a frame that was turned, mirrored, scaled or moved."""

from __future__ import annotations

import numpy as np

from ssl_bev.geometry import BEVGrid


def move_labels(
    labels: np.ndarray,  # (K, H, W)
    grid: BEVGrid,
    old2new: np.ndarray,  # (4, 4), about the vertical axis
    outside: int,
) -> np.ndarray:  # (K, H, W)
    """Labels on the same grid in the new frame, read at the nearest cell; `outside` where there is none."""
    new2old = np.linalg.inv(old2new)
    old = grid.cell_centers().double().numpy() @ new2old[:2, :2].T + new2old[:2, 3]
    low = np.array([grid.x_range[0], grid.y_range[0]])
    columns, rows = np.moveaxis(np.floor((old - low) / grid.cell_size).astype(np.int64), -1, 0)
    height, width = grid.shape
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    moved = labels[:, rows.clip(0, height - 1), columns.clip(0, width - 1)]
    return np.where(inside, moved, outside).astype(labels.dtype)
