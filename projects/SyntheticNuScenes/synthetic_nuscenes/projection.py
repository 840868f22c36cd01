"""From world points to image positions; everything behind the camera is clipped."""

from __future__ import annotations

import numpy as np

from .structures import Camera

NEAR = 0.25  # metres
SCALE = 2  # sub-pixels per pixel and axis
SHIFT = 4  # binary places of a position


class Projector:
    """World to pixels for one camera.

    Convention: pixel positions (u, v) with the centre of the top-left pixel at (0.5, 0.5).
    """

    def __init__(self, camera: Camera) -> None:
        pose = np.asarray(camera.cam2world, dtype=np.float64)
        self.camera = camera
        self.centre = pose[:3, 3]
        self.forward = pose[:3, 2]
        self._rotation = pose[:3, :3].T
        self._intrinsics = np.asarray(camera.cam2img, dtype=np.float64)[:3, :3]

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """Return camera coordinates (..., 3) of world points (..., 3)."""
        return (points - self.centre) @ self._rotation.T

    def to_pixels(self, in_camera: np.ndarray) -> np.ndarray:
        """Return positions (..., 2) of camera points (..., 3), which must be in front of the camera."""
        projected = in_camera @ self._intrinsics.T
        return projected[..., :2] / projected[..., 2:]

    def polygon(self, points: np.ndarray) -> np.ndarray | None:
        """Return the (M, 2) outline of a flat world polygon (N, 3), or None if nothing of it can be seen."""
        in_camera = self.to_camera(points)
        if np.all(in_camera[:, 2] < NEAR):
            return None
        pixels = self.to_pixels(clip_near(in_camera))
        low, high = pixels.min(0), pixels.max(0)
        if high[0] < 0 or high[1] < 0 or low[0] > self.camera.width or low[1] > self.camera.height:
            return None
        return pixels

    def may_see(self, point: np.ndarray, radius: float) -> bool:
        """Whether a ball around a world point may touch the image."""
        x, _, z = self.to_camera(np.asarray(point, float))
        if z < NEAR - radius:
            return False
        focal, centre = self._intrinsics[0, 0], self._intrinsics[0, 2]
        widest = max(centre, self.camera.width - centre) / focal
        return abs(x) - radius * np.hypot(1, widest) <= widest * max(z, 0.0)


def fixed_point(outline: np.ndarray) -> np.ndarray:
    """Return positions (..., 2) as OpenCV draws them, with SHIFT binary places, in an image enlarged by SCALE.

    OpenCV puts pixel centres at whole numbers.
    """
    return np.round((np.clip(outline, -2e4, 2e4) * SCALE - 0.5) * (1 << SHIFT)).astype(np.int32)


def clip_near(polygon: np.ndarray, near: float = NEAR) -> np.ndarray:
    """Return the part (M, 3) of a flat polygon (N, 3) in camera coordinates that is deeper than ``near``."""
    depth = polygon[:, 2]
    if np.all(depth >= near):
        return polygon
    kept = []
    for i in range(len(polygon)):
        here, there = polygon[i], polygon[(i + 1) % len(polygon)]
        if here[2] >= near:
            kept.append(here)
        if (here[2] >= near) != (there[2] >= near):
            share = (near - here[2]) / (there[2] - here[2])
            kept.append(here + share * (there - here))
    return np.array(kept).reshape(-1, 3)
