"""Where rays meet the ground."""

from __future__ import annotations

import cv2
import numpy as np

from .structures import Camera
from .terrain import Terrain

_CELL = 0.5  # metres
_NEAR, _FAR, _STEPS = 1.5, 220.0, 64
_MARCH_WIDTH = 400  # pixels; wider images are marched at a fraction of their size, then refined


class HeightField:
    """Heights of a terrain on a raster, and intersection with rays.

    Args:
        terrain: The ground's shape.
        bounds: (x0, y0, x1, y1) in metres; outside, the heights of the border continue.
    """

    def __init__(self, terrain: Terrain, bounds: tuple[float, float, float, float]) -> None:
        self.terrain = terrain
        self._raster: np.ndarray | None = None
        if terrain.is_flat:
            return
        x0, y0, x1, y1 = np.array(bounds) + np.array([-60, -60, 60, 60])
        self._origin = np.array([x0, y0])
        x, y = np.arange(x0, x1, _CELL), np.arange(y0, y1, _CELL)
        self._raster = np.stack([terrain.height(np.stack(np.broadcast_arrays(x, v), -1)) for v in y]).astype(np.float32)

    def height(self, xy: np.ndarray) -> np.ndarray:
        """Return heights (h, w) at world positions (h, w, 2)."""
        if self._raster is None:
            return np.zeros(xy.shape[:2], np.float32)
        return self._lookup(xy[..., 0].astype(np.float32), xy[..., 1].astype(np.float32))

    def _lookup(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Interpolate the raster at float32 positions ``x``, ``y`` (h, w)."""
        column, row = ((a - np.float32(o)) * np.float32(1 / _CELL) for a, o in zip((x, y), self._origin, strict=True))
        return cv2.remap(self._raster, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def intersect(self, camera: Camera, rays: np.ndarray) -> np.ndarray:
        """Return the depth (H, W) at which rays (H, W, 3) of depth 1 first meet the ground, infinite if never."""
        centre = np.asarray(camera.cam2world, dtype=np.float64)[:3, 3]
        if self._raster is None:
            with np.errstate(divide='ignore', invalid='ignore'):
                depth = -centre[2] / rays[..., 2]
            return np.where((depth > 0) & np.isfinite(depth), depth, np.inf)
        rays = np.ascontiguousarray(np.moveaxis(rays, -1, 0), dtype=np.float32)
        centre = centre.astype(np.float32)
        stride = -(-rays.shape[2] // _MARCH_WIDTH)
        depth, step = self._march(centre, np.ascontiguousarray(rays[:, ::stride, ::stride]))
        if stride > 1:
            rows, cols = rays.shape[1:]
            depth, step = (np.repeat(np.repeat(a, stride, 0), stride, 1)[:rows, :cols] for a in (depth, step))
        return self._refine(centre, rays, depth, step)

    def intersect_tangent(
        self, centre: np.ndarray, rays: np.ndarray, points: np.ndarray, depth: np.ndarray
    ) -> np.ndarray:
        """Return where rays (R, T, W, 3) meet the planes that touch the ground at ``points`` (R, W, 3).

        Args:
            centre: (3,) origin of all rays.
            rays: World directions of depth 1.
            points: Where the pixel's own ray meets the ground.
            depth: (R, W) depth of ``points``; the result stays within a factor of two of it.
        """
        if self._raster is None:
            above, along = np.broadcast_to(-centre[2], depth.shape), rays[..., 2]
        else:
            slope = self.terrain.gradient(points[..., :2])
            offset = points - centre
            above = offset[..., 2] - (slope * offset[..., :2]).sum(-1)
            along = rays[..., 2] - (slope[:, None] * rays[..., :2]).sum(-1)
        with np.errstate(divide='ignore', invalid='ignore'):
            hit = above[:, None] / along
        hit = np.where((hit > 0) & np.isfinite(hit), hit, 2 * depth[:, None])
        hit = np.clip(hit, depth[:, None] / 2, depth[:, None] * 2)
        return centre + rays * hit[..., None]

    def _gap(self, centre: np.ndarray, rays: np.ndarray, depth: np.ndarray | float) -> np.ndarray:
        """Return how far rays (3, h, w) at ``depth`` (h, w) are above the ground."""
        x, y, z = (c + r * depth for c, r in zip(centre, rays, strict=True))
        return z - self._lookup(x, y)

    def _march(self, centre: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first depth at which each ray (3, h, w) is below the ground, and the step that led there."""
        depths = np.geomspace(_NEAR, _FAR, _STEPS).astype(np.float32)
        found = np.full(rays.shape[1:], np.inf, np.float32)
        step = np.zeros_like(found)
        lowest, highest = rays[2].min(1), float(self._raster.max())
        for before, depth in zip(np.concatenate([[0.0], depths[:-1]]), depths, strict=True):
            rows = np.flatnonzero(np.isinf(found).any(1) & (centre[2] + depth * lowest < highest))
            if not len(rows):
                continue
            rows = slice(rows[0], rows[-1] + 1)
            below = (self._gap(centre, rays[:, rows], depth) < 0) & np.isinf(found[rows])
            found[rows][below], step[rows][below] = depth, depth - before
        return found, step

    def _refine(self, centre: np.ndarray, rays: np.ndarray, depth: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Close in on the crossing inside the step in which each ray goes below the ground, by bounded secants."""
        hit = np.isfinite(depth)
        high = np.where(hit, depth, np.float32(1.0))
        low = high - step
        gap_low, gap_high = self._gap(centre, rays, low), self._gap(centre, rays, high)
        for _ in range(5):
            middle = low + np.clip(_share(gap_low, gap_high), 0.02, 0.98) * (high - low)
            gap = self._gap(centre, rays, middle)
            above = gap > 0
            low, gap_low = np.where(above, middle, low), np.where(above, gap, gap_low)
            high, gap_high = np.where(above, high, middle), np.where(above, gap_high, gap)
        return np.where(hit, low + _share(gap_low, gap_high) * (high - low), np.inf)


def _share(gap_low: np.ndarray, gap_high: np.ndarray) -> np.ndarray:
    """Return where between 0 and 1 a line from ``gap_low`` to ``gap_high`` crosses zero."""
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.clip(np.nan_to_num(gap_low / (gap_low - gap_high), nan=0.5), 0, 1)
