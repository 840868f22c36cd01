"""The inputs of the renderer: cameras and boxes, both in world metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    """A pinhole camera at one instant.

    Convention: x right, y down, z forward in the camera frame; the centre of the top-left pixel is (0.5, 0.5).

    Args:
        name: Channel, for example ``'CAM_FRONT'``.
        cam2img: (3, 3) intrinsics in pixels.
        cam2world: (4, 4) pose in world metres.
        height: Image height in pixels.
        width: Image width in pixels.
    """

    name: str
    cam2img: np.ndarray  # (3, 3)
    cam2world: np.ndarray  # (4, 4)
    height: int
    width: int


@dataclass(frozen=True)
class Box:
    """An upright cuboid; its bottom lies at ``center[2] - size[2] / 2``.

    Args:
        center: (3,) world metres.
        size: (length, width, height) in metres; length lies along the heading.
        yaw: Heading in radians, counter-clockwise from world x.
        category: nuScenes category name, or ``static.building``, ``static.tree``, ``static.pole`` (rendered and hit
            by lidar, never annotated).
        colour_seed: Chooses the look of this instance.
        velocity: (2,) world metres per second.
        instance: Stable id of the instance within its scene.
    """

    center: np.ndarray  # (3,)
    size: tuple[float, float, float]
    yaw: float
    category: str
    colour_seed: int
    velocity: tuple[float, float]
    instance: int

    @property
    def is_static(self) -> bool:
        """Whether this is scenery, which nuScenes does not annotate."""
        return self.category.startswith('static.')

    def footprint(self) -> np.ndarray:
        """Return the (4, 2) corners on the ground, counter-clockwise from front left, in world metres."""
        length, width, _ = self.size
        local = np.array([[length, width], [-length, width], [-length, -width], [length, -width]]) / 2
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        return local @ np.array([[cos, sin], [-sin, cos]]) + np.asarray(self.center)[:2]
