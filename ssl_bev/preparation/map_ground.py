"""Between the BEV plane of a frame and a map seen from above, through the ground of the frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from ssl_bev.datasets.calibration import frame_poses, frame_road
from ssl_bev.geometry import Road, ground_lift


class MapGround:
    """The ground of one frame on the map.

    Args:
        bev2global: pose of the BEV frame.
        road: the ground in it, or `road2bev`, the pose of its plane.
        origin: of the map coordinates in the global frame, metres.
    """

    def __init__(
        self,
        bev2global: np.ndarray,  # (4, 4)
        road: Road | np.ndarray,  # (4, 4)
        origin: Sequence[float] = (0.0, 0.0),
    ) -> None:
        self.road = road if isinstance(road, Road) else Road(torch.from_numpy(np.asarray(road, np.float64)))
        self.plane2map = np.eye(3)
        self.plane2map[:2] = (bev2global @ ground_lift(self.road.road2bev).numpy())[:2]
        self.plane2map[:2, 2] -= origin
        # If the BEV frame is tilted, higher points are shifted on the map.
        self._lean = bev2global[:2, 2]
        self._map2bev = np.linalg.inv(self.plane2map[:2, :2])

    @classmethod
    def of_frame(cls, frame: Mapping, bev_frame: str, origin: Sequence[float] = (0.0, 0.0)) -> MapGround:
        """That of a frame of an info file."""
        return cls(frame_poses(frame, bev_frame)[0], frame_road(frame, bev_frame), origin)

    def to_map(
        self,
        xy: np.ndarray,  # (..., 2), metres in the BEV plane
    ) -> np.ndarray:  # (..., 2)
        """The map positions of the ground above or below positions of the BEV plane."""
        points = xy @ self.plane2map[:2, :2].T + self.plane2map[:2, 2]
        return points if self.road.is_plane else points + self._rise(xy)[..., None] * self._lean

    def to_bev(
        self,
        points: np.ndarray,  # (..., 2), metres on the map
    ) -> np.ndarray:  # (..., 2)
        """The inverse of `to_map`, to some millimetres."""
        xy = (points - self.plane2map[:2, 2]) @ self._map2bev.T
        return xy if self.road.is_plane else xy - self._rise(xy)[..., None] * (self._map2bev @ self._lean)

    def rise(
        self,
        points: np.ndarray,  # (..., 2), metres on the map
    ) -> np.ndarray:  # (...), metres
        """Height of the ground above the plane of the road, along z of the BEV frame."""
        return self._rise(self.to_bev(points))

    def up2img(
        self,
        bev2img: np.ndarray,  # (4, 4)
        plane2img: np.ndarray,  # (3, 3)
    ) -> np.ndarray:  # (3,)
        """The change of the homogeneous pixel of a map position per metre of `rise`.

        Args:
            bev2img: projection into an image.
            plane2img: its homography from (x, y, 1) of the map, over the plane of the road.
        """
        return bev2img[:3, 2] - plane2img[:, :2] @ self._lean

    def _rise(self, xy: np.ndarray) -> np.ndarray:
        return self.road.rise(torch.from_numpy(xy.reshape(-1, 2))).numpy().reshape(xy.shape[:-1])
