"""What is believed of the road of a scene before its ground is measured, and how measurements change it.

The height of the ground is a smooth profile along the way that the vehicle drove, and a cross slope. Published poses
may lack height and tilt, so each frame has a plane of its own: the ground of frame t is, over x and y of its ego frame,

    profile(s) + slope(s) * e - height_t - pitch_t * x - roll_t * y         s along, e beside the way

All of it is one Gaussian vector. Its mean is what poses alone say: wheels touch the ground, and a vehicle stands on it
with its springs hardly bent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .road_path import RoadPath

_PLANE = np.array([[0.0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])  # around the ego origin, metres
_VAGUE = 100.0  # metres


@dataclass(frozen=True)
class RoadBelief:
    """Standard deviations of what is believed.

    Args:
        slope_change: of the slope along the way within 10 m; crests and dips.
        cross_slope: of the slope across it.
        cross_slope_change: of that within 20 m.
        wheel: of the ground under the ego origin, metres.
        spring: of the slope of the ground in the ego frame where the vehicle stands, radians.
        pose_height: of the heights of published poses, metres; poses that are all at one height have none.
        pose_tilt: of their tilt, radians; poses that are all level have none.
    """

    slope_change: float = 0.02
    cross_slope: float = 0.02
    cross_slope_change: float = 0.01
    wheel: float = 0.02
    spring: float = 0.006
    pose_height: float = 0.05
    pose_tilt: float = 0.003

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f'{name} must be positive, got {value}')


class RoadModel:
    """The Gaussian vector of a scene's road.

    Args:
        poses: ego2global of the frames, in the order of time.
        belief: standard deviations.
        reach: metres beyond the first and the last frame.
        knot, cross_knot: spacing of the cubic B-splines of profile and cross slope, metres.
    """

    def __init__(
        self,
        poses: np.ndarray,  # (F, 4, 4)
        belief: RoadBelief = RoadBelief(),  # noqa: B008  (frozen)
        reach: float = 60.0,
        knot: float = 5.0,
        cross_knot: float = 20.0,
    ) -> None:
        self.poses = poses
        self.path = RoadPath(poses, reach)
        self._knots = (knot, cross_knot)
        self._counts = tuple(int(np.ceil(self.path.length / spacing)) + 3 for spacing in self._knots)
        self.surface_size = sum(self._counts)
        self.size = self.surface_size + 3 * len(poses)
        equations, values = self._belief(belief)
        self.precision = equations.T @ equations
        self.mean = np.linalg.solve(self.precision, equations.T @ values)

    @property
    def factor(self) -> np.ndarray:  # (n, n)
        """What turns independent standard normal numbers into deviations from the mean."""
        return np.linalg.inv(np.linalg.cholesky(self.precision)).T

    def surface_rows(
        self,
        points: np.ndarray,  # (P, 2), metres in the global frame
    ) -> np.ndarray:  # (P, m)
        """What the first m entries of the vector add to the height of the ground, whatever the frame."""
        along, beside = self.path.coordinates(points)
        profile, cross = (_b_spline(along / knot + 1, n) for knot, n in zip(self._knots, self._counts, strict=True))
        return np.concatenate([profile, cross * beside[:, None]], 1)

    def rows(
        self,
        frame: int,
        xy: np.ndarray,  # (P, 2), metres in the ego frame
    ) -> np.ndarray:  # (P, n)
        """What all entries of the vector add to the height of the ground in the ego frame of one frame."""
        rows = np.zeros((len(xy), self.size))
        rows[:, : self.surface_size] = self.surface_rows(self.to_global(frame, xy))
        rows[:, self._plane(frame)] = np.concatenate([-np.ones((len(xy), 1)), -xy], 1)
        return rows

    def to_global(self, frame: int, xy: np.ndarray) -> np.ndarray:  # (P, 2)
        """Positions seen from above; what the ground's height adds where the vehicle is tilted is millimetres."""
        pose = self.poses[frame]
        return xy @ pose[:2, :2].T + pose[:2, 3]

    def _plane(self, frame: int) -> slice:
        start = self.surface_size + 3 * frame
        return slice(start, start + 3)

    def _belief(self, belief: RoadBelief) -> tuple[np.ndarray, np.ndarray]:
        """Equations (E, n) and their values (E,), each divided by its standard deviation."""
        equations, values = [], []

        def believe(rows: np.ndarray, value: np.ndarray | float, deviation: float) -> None:
            equations.append(rows / deviation)
            values.append(np.broadcast_to(value, len(rows)) / deviation)

        unit = np.eye(self.size)
        profile, cross = np.split(unit[: self.surface_size], [self._counts[0]])
        knot, cross_knot = self._knots
        # Changes of the slope add up like a random walk.
        believe(np.diff(profile, 2, axis=0), 0, belief.slope_change * np.sqrt(knot / 10) * knot)
        believe(cross, 0, belief.cross_slope)
        believe(np.diff(cross, axis=0), 0, belief.cross_slope_change * np.sqrt(cross_knot / 20))
        believe(profile[:1], 0, _VAGUE)
        tilt, height = self.poses[:, 2, :2], self.poses[:, 2, 3]
        has_tilt, has_height = np.ptp(tilt) > 1e-6, np.ptp(height) > 1e-3
        for t in range(len(self.poses)):
            ground = self.rows(t, _PLANE)
            believe(ground[:1], 0, belief.wheel)
            believe((ground[1::2] - ground[2::2]) / 2, 0, belief.spring)
            plane = unit[self._plane(t)]
            believe(plane[:1], height[t], belief.pose_height if has_height else _VAGUE)
            believe(plane[1:], tilt[t], belief.pose_tilt if has_tilt else 1.0)
        return np.concatenate(equations), np.concatenate(values)


def _b_spline(x: np.ndarray, count: int) -> np.ndarray:  # (P,) -> (P, count)
    """The cubic B-splines at 0, 1, ... of unit spacing."""
    distance = np.abs(x[:, None] - np.arange(count))
    inner, outer = 2 / 3 - distance**2 + distance**3 / 2, np.clip(2 - distance, 0, None) ** 3 / 6
    return np.where(distance < 1, inner, outer)
