"""The prior of the road of a scene, and how measurements change it.

The height of the ground is a smooth profile along the path of the vehicle, plus a cross slope. Published poses may lack
height and tilt, so each frame has its own plane. The ground of frame t is, over x and y of its ego frame,

    profile(s) + slope(s) * e - height_t - pitch_t * x - roll_t * y         s along, e beside the path

All of it is one Gaussian vector. Its mean follows from the poses alone: wheels touch the ground, and the suspension of
the vehicle is hardly compressed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .road_path import RoadPath

_PLANE = np.array([[0.0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])  # around the ego origin, metres
_VAGUE = 100.0  # metres
_REACH = 60.0  # metres beyond the first and the last frame
_KNOT, _CROSS_KNOT = 5.0, 20.0  # spacing of the cubic B-splines of profile and cross slope, metres
POSES = ('auto', 'complete', 'planar')


@dataclass(frozen=True)
class RoadBelief:
    """Standard deviations of the prior.

    Args:
        slope_change: of the slope along the path within 10 m; crests and dips.
        cross_slope: of the slope across it.
        cross_slope_change: of that within 20 m.
        wheel: of the ground under the ego origin, metres.
        spring: of the slope of the ground in the ego frame at the vehicle, radians.
        pose_height: of the heights of published poses, metres.
        pose_tilt: of their tilt, radians.
        poses: 'complete': height and tilt of the poses are those of the ego frame, even where all are level; 'planar':
            they are unknown; 'auto': complete unless all are the same.

    Raises:
        ValueError: a deviation that is not positive, or unknown `poses`.
    """

    slope_change: float = 0.02
    cross_slope: float = 0.02
    cross_slope_change: float = 0.01
    wheel: float = 0.02
    spring: float = 0.006
    pose_height: float = 0.05
    pose_tilt: float = 0.003
    poses: str = 'auto'

    def __post_init__(self) -> None:
        if self.poses not in POSES:
            raise ValueError(f'poses must be one of {POSES}, got {self.poses!r}')
        for name, value in vars(self).items():
            if name != 'poses' and not value > 0:
                raise ValueError(f'{name} must be positive, got {value}')


class RoadModel:
    """The Gaussian vector of the road of a scene.

    Args:
        poses: ego2global of the frames, in order of time.
        belief: standard deviations.
    """

    def __init__(
        self,
        poses: np.ndarray,  # (F, 4, 4)
        belief: RoadBelief = RoadBelief(),  # noqa: B008  (frozen)
    ) -> None:
        self.poses = poses
        self.belief = belief
        self.path = RoadPath(poses, _REACH)
        self._counts = tuple(int(np.ceil(self.path.length / spacing)) + 3 for spacing in (_KNOT, _CROSS_KNOT))
        self.surface_size = sum(self._counts)
        self.size = self.surface_size + 3 * len(poses)
        equations, values = self._equations()
        self.precision = equations.T @ equations
        self.mean = np.linalg.solve(self.precision, equations.T @ values)

    @property
    def factor(self) -> np.ndarray:  # (n, n)
        """The matrix from independent standard normal numbers to deviations from the mean."""
        return np.linalg.inv(np.linalg.cholesky(self.precision)).T

    def surface_rows(
        self,
        points: np.ndarray,  # (P, 2), metres in the global frame
    ) -> np.ndarray:  # (P, m)
        """The effect of the first m entries of the vector on the height of the ground, for all frames."""
        along, beside = self.path.coordinates(points)
        profile = _b_spline(along / _KNOT + 1, self._counts[0])
        cross = _b_spline(along / _CROSS_KNOT + 1, self._counts[1])
        return np.concatenate([profile, cross * beside[:, None]], 1)

    def rows(
        self,
        frame: int,
        xy: np.ndarray,  # (P, 2), metres in the ego frame
    ) -> np.ndarray:  # (P, n)
        """The effect of all entries of the vector on the height of the ground in the ego frame of one frame."""
        rows = np.zeros((len(xy), self.size))
        rows[:, : self.surface_size] = self.surface_rows(self.to_global(frame, xy))
        rows[:, self._plane(frame)] = np.concatenate([-np.ones((len(xy), 1)), -xy], 1)
        return rows

    def planes(
        self,
        vector: np.ndarray,  # (n,)
    ) -> np.ndarray:  # (F, 3)
        """Height, pitch and roll of the plane of each frame."""
        return vector[self.surface_size :].reshape(-1, 3)

    def to_global(self, frame: int, xy: np.ndarray) -> np.ndarray:  # (P, 2)
        """Positions seen from above; with a tilted vehicle, the height of the ground shifts them by millimetres."""
        pose = self.poses[frame]
        return xy @ pose[:2, :2].T + pose[:2, 3]

    def _plane(self, frame: int) -> slice:
        start = self.surface_size + 3 * frame
        return slice(start, start + 3)

    def _equations(self) -> tuple[np.ndarray, np.ndarray]:
        """The prior: equations (E, n) and their values (E,), each divided by its standard deviation."""
        belief, equations, values = self.belief, [], []

        def believe(rows: np.ndarray, value: np.ndarray | float, deviation: float) -> None:
            equations.append(rows / deviation)
            values.append(np.broadcast_to(value, len(rows)) / deviation)

        unit = np.eye(self.size)
        profile, cross = np.split(unit[: self.surface_size], [self._counts[0]])
        # Changes of the slope add up like a random walk.
        believe(np.diff(profile, 2, axis=0), 0, belief.slope_change * np.sqrt(_KNOT / 10) * _KNOT)
        believe(cross, 0, belief.cross_slope)
        believe(np.diff(cross, axis=0), 0, belief.cross_slope_change * np.sqrt(_CROSS_KNOT / 20))
        believe(profile[:1], 0, _VAGUE)
        tilt, height = self.poses[:, 2, :2], self.poses[:, 2, 3]
        complete, auto = belief.poses == 'complete', belief.poses == 'auto'
        is_level = np.ptp(tilt) < 1e-6
        # A frame that is always level does not tilt with the vehicle.
        spring = 0.1 if complete and is_level else belief.spring
        height_deviation = belief.pose_height if complete or (auto and np.ptp(height) > 1e-3) else _VAGUE
        tilt_deviation = belief.pose_tilt if complete or (auto and not is_level) else 1.0
        for t in range(len(self.poses)):
            ground = self.rows(t, _PLANE)
            believe(ground[:1], 0, belief.wheel)
            believe((ground[1::2] - ground[2::2]) / 2, 0, spring)
            plane = unit[self._plane(t)]
            believe(plane[:1], height[t], height_deviation)
            believe(plane[1:], tilt[t], tilt_deviation)
        return np.concatenate(equations), np.concatenate(values)


def _b_spline(x: np.ndarray, count: int) -> np.ndarray:  # (P,) -> (P, count)
    """The cubic B-splines at 0, 1, ... of unit spacing."""
    distance = np.abs(x[:, None] - np.arange(count))
    inner, outer = 2 / 3 - distance**2 + distance**3 / 2, np.clip(2 - distance, 0, None) ** 3 / 6
    return np.where(distance < 1, inner, outer)
