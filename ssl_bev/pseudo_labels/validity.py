"""The pixels of a label image that show the ground: away from movers, and outside of the ego vehicle.

All lengths are fractions of the image, so that one setting works for every resolution.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from numbers import Real

import cv2
import numpy as np
import shapely

from ssl_bev.files.rules import suggest

Region = float | Sequence[Sequence[float]]
# Pixels. Below it a dilation by a disc is faster than a distance transform: three times at 8.
_LARGE_RADIUS = 13


def near_movers(
    moving: np.ndarray,  # (H, W) bool, True on a mover
    margin: float,
) -> np.ndarray:  # (H, W) bool
    """True on movers and on pixels whose centre is at most `margin` image widths from that of a pixel of a mover."""
    if not moving.any():
        return moving
    radius = margin * moving.shape[1] + 1e-6
    picture = moving.view(np.uint8)
    if radius < _LARGE_RADIUS:
        offsets = np.arange(-int(radius), int(radius) + 1)
        disc = (np.hypot(offsets[:, None], offsets) <= radius).astype(np.uint8)
        return cv2.dilate(picture, disc).view(bool)
    # The distance transform costs the same for every radius, and its discs are also round.
    return cv2.distanceTransform(1 - picture, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= radius


class EgoBody:
    """The region of the ego vehicle in each camera.

    Args:
        regions: camera -> a fraction of the height, below which all rows show the vehicle, or a polygon of three or
            more (u, v), fractions of width and height. A pixel belongs to it if its centre does.

    Raises:
        ValueError: a region that is neither, or extends beyond the image.
    """

    def __init__(self, regions: Mapping[str, Region] | None = None) -> None:
        self.polygons = {camera: _polygon(camera, region) for camera, region in (regions or {}).items()}
        self._masks: dict[tuple[str, int, int], np.ndarray] = {}

    def mask(self, camera: str, height: int, width: int) -> np.ndarray | None:  # (H, W) bool
        """True on the vehicle; None for a camera that does not see it. Computed once for each size."""
        if camera not in self.polygons:
            return None
        key = (camera, height, width)
        if key not in self._masks:
            polygon = self.polygons[camera]
            u, v = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
            self._masks[key] = shapely.intersects_xy(polygon, u, v)
        return self._masks[key]


def check_cameras(argument: str, names: Iterable[str], cameras: Collection[str]) -> None:
    """Raise ValueError, naming the argument, unless all names are among the cameras."""
    if strangers := sorted(set(names).difference(cameras)):
        raise ValueError(
            f'{argument} {strangers} are not among the cameras of the frames; {suggest(strangers[0], cameras)}'
        )


def _polygon(camera: str, region: Region) -> shapely.Polygon:
    if isinstance(region, Real):
        corners = [(0.0, region), (1.0, region), (1.0, 1.0), (0.0, 1.0)]
    else:
        corners = [tuple(corner) for corner in region]
    fine = len(corners) >= 3 and all(len(c) == 2 and all(0 <= value <= 1 for value in c) for c in corners)
    polygon = shapely.Polygon(corners) if fine else None
    if polygon is None or not polygon.is_valid:
        raise ValueError(
            f'ego_body[{camera!r}] must be a fraction of the height, or a simple polygon of (u, v), fractions of width '
            f'and height in [0, 1], got {region}'
        )
    shapely.prepare(polygon)
    return polygon
