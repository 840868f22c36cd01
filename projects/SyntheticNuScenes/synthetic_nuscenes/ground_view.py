"""What one camera sees of the ground: where each pixel's ray meets it, and its filtered colour and class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .ground import Ground
from .height_field import HeightField
from .structures import Camera

_MAX_TAPS = 16
_FAR = 400.0  # metres; beyond, the backdrop begins


@dataclass
class GroundView:
    """The ground in one image.

    Args:
        albedo: (H, W, 3) float32 BGR, 0..255.
        class_ids: (H, W) uint8.
        points: (H, W, 2) world metres where the pixel centres' rays meet the ground.
        depth: (H, W) camera depth in metres; infinite where a ray doesn't meet the ground.
    """

    albedo: np.ndarray
    class_ids: np.ndarray
    points: np.ndarray
    depth: np.ndarray

    @property
    def visible(self) -> np.ndarray:
        """(H, W) bool, True where the ray meets the ground."""
        return np.isfinite(self.depth)


def pixel_rays(camera: Camera, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return world directions (R, C, 3), of depth 1, through image positions ``columns`` (C,) x ``rows`` (R,)."""
    to_ray = np.asarray(camera.cam2world)[:3, :3] @ np.linalg.inv(np.asarray(camera.cam2img)[:3, :3])
    return (columns[:, None] * to_ray[:, 0])[None] + (rows[:, None] * to_ray[:, 1])[:, None] + to_ray[:, 2]


def view_ground(ground: Ground, camera: Camera, heights: HeightField) -> GroundView:
    """Render the ground's colour and classes for one camera.

    Convention: pixel (i, j) averages the ground between rows i and i + 1, and shows the ray through (j + .5, i + .5).
    """
    height, width = camera.height, camera.width
    columns = np.arange(width) + 0.5
    depth = heights.intersect(camera, pixel_rays(camera, columns, np.arange(height) + 0.5))
    depth[depth > _FAR] = np.inf
    view = GroundView(
        np.zeros((height, width, 3), np.float32),
        np.zeros((height, width), np.uint8),
        np.zeros((height, width, 2)),
        depth,
    )
    seen = np.flatnonzero(view.visible.any(1))
    for start, stop, taps, level in _bands(camera, ground, depth, seen):
        _sample_band(view, ground, camera, heights, columns, slice(start, stop), taps, level)
    return view


def _bands(camera: Camera, ground: Ground, depth: np.ndarray, seen: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Group the rows ``seen`` into (start, stop, taps, level) by the size of a pixel on the ground."""
    focal_x, focal_y = camera.cam2img[0][0], camera.cam2img[1][1]
    above = max(float(camera.cam2world[2][3]), 0.3)
    bands: list[tuple[int, int, int, int]] = []
    for row in seen:
        distance = float(np.median(depth[row][np.isfinite(depth[row])]))
        across = distance / focal_x
        along = max(distance * distance / (focal_y * above), across)
        taps = int(np.clip(2 ** np.ceil(np.log2(along / max(across, ground.resolution))), 1, _MAX_TAPS))
        spacing = max(across, along / taps)
        level = int(np.clip(np.floor(np.log2(spacing / ground.resolution) + 0.35), 0, ground.levels - 1))
        if bands and bands[-1][1] == row and bands[-1][2:] == (taps, level):
            bands[-1] = (bands[-1][0], int(row) + 1, taps, level)
        else:
            bands.append((int(row), int(row) + 1, taps, level))
    return bands


def _sample_band(
    view: GroundView,
    ground: Ground,
    camera: Camera,
    heights: HeightField,
    columns: np.ndarray,
    band: slice,
    taps: int,
    level: int,
) -> None:
    """Fill some rows of ``view``, each from ``taps`` rays per pixel, one above the other."""
    count = band.stop - band.start
    depth = view.depth[band]
    centre = np.asarray(camera.cam2world)[:3, 3]
    middle = pixel_rays(camera, columns, np.arange(band.start, band.stop) + 0.5)
    safe = np.where(np.isfinite(depth), depth, _FAR)
    points = centre + middle * safe[..., None]
    view.points[band] = points[..., :2]
    if taps > 1:
        rows = band.start + (np.arange(count * taps) + 0.5) / taps
        rays = pixel_rays(camera, columns, rows).reshape(count, taps, len(columns), 3)
        points = heights.intersect_tangent(centre, rays, points, safe)  # (count, taps, W, 3)
    samples = np.ascontiguousarray(points[..., :2]).reshape(count * taps, len(columns), 2)
    colour, ids = ground.sample(level, samples)
    colour = colour.reshape(count, taps, len(columns), 4)
    ids = ids.reshape(count, taps, len(columns), 2)
    view.albedo[band] = colour[..., :3].mean(1, dtype=np.float32)
    cover = colour[..., 3]
    best = cover.argmax(1)[:, None]
    paint = np.take_along_axis(ids[..., 1], best, 1)[:, 0]
    painted = (cover.mean(1) >= 127.5) & (paint > 0)
    view.class_ids[band] = np.where(painted, paint, ids[:, taps // 2, :, 0])
