"""The BEV map as a picture: forward is up, left is left."""

from collections.abc import Sequence

import cv2
import numpy as np

from ssl_bev.geometry import BEVGrid
from ssl_bev.visualization.bev_axes import draw_axes
from ssl_bev.visualization.canvas import FAINT, Label, hatch, write
from ssl_bev.visualization.palette import paint

GROUND = 236
"""Grey level of ground that belongs to no class."""
RAMP = (0.3, 0.7)
"""Probabilities at which a class begins to show and at which it is opaque."""
BEV_FRAMES = ('ego', 'lidar')


def turn_forward_up(
    bev: np.ndarray,  # (H, W, ...) row grows with y, column grows with x
    bev_frame: str = 'ego',
) -> np.ndarray:
    """Turn a BEV array so that forward is up and left is left.

    Convention: in the ego frame x points forward and y left, so rows of the picture run against x and columns
    against y; in the lidar frame x points right and y forward, so only the rows are reversed.

    Returns:
        (W, H, ...) for 'ego', (H, W, ...) for 'lidar', contiguous.

    Raises:
        ValueError: `bev_frame` is neither 'ego' nor 'lidar'.
    """
    if bev_frame == 'ego':
        turned = np.swapaxes(bev, 0, 1)[::-1, ::-1]
    elif bev_frame == 'lidar':
        turned = bev[::-1]
    else:
        raise ValueError(f'bev_frame must be one of {BEV_FRAMES}, got {bev_frame!r}')
    return np.ascontiguousarray(turned)


def to_picture_position(
    xy: np.ndarray,  # (..., 2) metres in the BEV frame
    grid: BEVGrid,
    pixels_per_cell: float,
    bev_frame: str = 'ego',
) -> np.ndarray:
    """Return the positions of points of the BEV plane in the turned picture.

    Convention: (column, row) in pixels, the picture's top-left corner is (0, 0).

    Returns:
        (..., 2) float.
    """
    scale = pixels_per_cell / grid.cell_size
    x, y = np.moveaxis(np.asarray(xy, float), -1, 0)
    if bev_frame == 'ego':
        return np.stack([(grid.y_range[1] - y) * scale, (grid.x_range[1] - x) * scale], -1)
    if bev_frame == 'lidar':
        return np.stack([(x - grid.x_range[0]) * scale, (grid.y_range[1] - y) * scale], -1)
    raise ValueError(f'bev_frame must be one of {BEV_FRAMES}, got {bev_frame!r}')


def opacity(probabilities: np.ndarray) -> np.ndarray:
    """Return the opacity of a class of this probability: 0 below the ramp, 1 above it, 0.5 at 0.5."""
    low, high = RAMP
    return np.clip((probabilities - low) / (high - low), 0, 1)


def draw_bev(
    probabilities: np.ndarray,  # (K, H, W)
    classes: Sequence[str],
    grid: BEVGrid,
    *,
    bev_frame: str = 'ego',
    observed: np.ndarray | None = None,  # (H, W) bool
    pixels_per_cell: float = 3,
) -> np.ndarray:
    """Draw a BEV map with its scale in metres, its axes and the vehicle.

    Args:
        probabilities: 0 .. 1, or labels of 0 and 1. Rows and columns as in BEV tensors.
        classes: the K class names.
        grid: the grid of `probabilities`.
        bev_frame: 'ego' or 'lidar', defines forward.
        observed: False where the map is unknown; these cells are hatched.
        pixels_per_cell: size of one cell in the picture.

    Returns:
        (rows, columns, 3) uint8 BGR, forward up.

    Raises:
        ValueError: Shapes, classes and grid don't fit, or the frame is unknown.
    """
    if probabilities.shape != (len(classes), *grid.shape):
        raise ValueError(
            f'probabilities must have the shape (classes, rows, columns) = {(len(classes), *grid.shape)}, '
            f'got {probabilities.shape}'
        )
    if observed is not None and observed.shape != grid.shape:
        raise ValueError(f'observed must have the shape of the grid, {grid.shape}, got {observed.shape}')
    cells = paint(np.full((*grid.shape, 3), GROUND, np.uint8), opacity(probabilities), classes)
    return draw_ground(cells, grid, bev_frame=bev_frame, observed=observed, pixels_per_cell=pixels_per_cell)


def draw_ground(
    cells: np.ndarray,  # (H, W, 3) uint8 BGR
    grid: BEVGrid,
    *,
    bev_frame: str = 'ego',
    observed: np.ndarray | None = None,  # (H, W) bool
    pixels_per_cell: float = 3,
) -> np.ndarray:
    """Draw colours of the ground as `draw_bev` draws classes: forward up, with scale, axes and vehicle.

    Returns:
        (rows, columns, 3) uint8 BGR.
    """
    picture = _resize_cells(turn_forward_up(cells, bev_frame), pixels_per_cell)
    if observed is not None:
        unknown = _resize_cells(turn_forward_up((~observed).astype(np.uint8), bev_frame), pixels_per_cell) > 0
        picture[unknown] = 215
        picture[unknown & hatch(*unknown.shape)] = 175
    _draw_scale(picture, grid, pixels_per_cell, bev_frame)
    _draw_ego(picture, grid, pixels_per_cell, bev_frame)
    draw_axes(picture, bev_frame)
    return picture


def _resize_cells(picture: np.ndarray, pixels_per_cell: float) -> np.ndarray:
    size = [max(1, round(cells * pixels_per_cell)) for cells in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST if pixels_per_cell >= 1 else cv2.INTER_AREA)


def _draw_scale(picture: np.ndarray, grid: BEVGrid, pixels_per_cell: float, bev_frame: str) -> None:
    """Draw faint lines every ten metres, with the forward distance at the right edge."""
    height, width = picture.shape[:2]
    x, y = (np.arange(np.ceil(low / 10), np.floor(high / 10) + 1) * 10 for low, high in (grid.x_range, grid.y_range))
    forward, left = (x, y) if bev_frame == 'ego' else (y, -x)
    columns = _position(np.zeros_like(left), left, grid, pixels_per_cell, bev_frame)[:, 0]
    rows = _position(forward, np.zeros_like(forward), grid, pixels_per_cell, bev_frame)[:, 1]
    lines = picture.copy()
    for column in np.rint(columns).astype(int).tolist():
        cv2.line(lines, (column, 0), (column, height), FAINT, 1)
    for row in np.rint(rows).astype(int).tolist():
        cv2.line(lines, (0, row), (width, row), FAINT, 1)
    cv2.addWeighted(lines, 0.3, picture, 0.7, 0, dst=picture)
    write(
        picture,
        [
            Label(f'{metres:g} m', width - 3, row - 1, size=11, colour=(70, 70, 70), anchor='rd')
            for metres, row in zip(forward, rows, strict=True)
            if row > 14
        ],
    )


def _position(
    forward: np.ndarray, left: np.ndarray, grid: BEVGrid, pixels_per_cell: float, bev_frame: str
) -> np.ndarray:
    xy = np.stack([forward, left] if bev_frame == 'ego' else [-left, forward], -1)
    return to_picture_position(xy, grid, pixels_per_cell, bev_frame)


def _draw_ego(picture: np.ndarray, grid: BEVGrid, pixels_per_cell: float, bev_frame: str) -> None:
    """Draw an arrow head at the origin of the frame, 4 m long and 1.8 m wide, pointing forward."""
    forward, left = np.array([[2.4, 0.0], [-1.6, 0.9], [-0.9, 0.0], [-1.6, -0.9]]).T
    corners = np.rint(_position(forward, left, grid, pixels_per_cell, bev_frame) * 16).astype(np.int32)
    cv2.fillPoly(picture, [corners], (255, 255, 255), cv2.LINE_AA, shift=4)
    cv2.polylines(picture, [corners], True, (20, 20, 20), 2, cv2.LINE_AA, shift=4)
