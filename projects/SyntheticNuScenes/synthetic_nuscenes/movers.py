"""Objects that move along a path, with their speed and their distance from each other."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from . import curves

TIME_STEP = 0.1
_COMFORT_BRAKING = 2.5
_HALF_WIDTH = 1.0


@dataclass
class Mover:
    """Something that follows a path.

    Args:
        path: (N, 2) polyline in metres.
        cruise: Target speed in metres per second.
        size: (length, width, height) in metres.
        category: nuScenes category name.
        yields: Whether it brakes for others; people and the like don't.
        times: Instants of the simulation.
        distances: Metres along the path at these instants.
    """

    path: np.ndarray
    cruise: float
    size: tuple[float, float, float]
    category: str
    yields: bool = True
    lateral_acceleration: float = 2.3
    slowest_turn: float = 3.5
    times: np.ndarray = field(default_factory=lambda: np.zeros(1))
    distances: np.ndarray = field(default_factory=lambda: np.zeros(1))

    def __post_init__(self) -> None:
        self.lengths = curves.arc_lengths(self.path)
        self.headings = curves.headings(self.path)
        bend = np.abs(np.gradient(self.headings, self.lengths)) + 1e-6
        allowed = np.clip(np.sqrt(self.lateral_acceleration / bend), min(self.slowest_turn, self.cruise), self.cruise)
        for i in range(len(allowed) - 2, -1, -1):  # brake before the bend, not in it
            step = self.lengths[i + 1] - self.lengths[i]
            allowed[i] = min(allowed[i], np.sqrt(allowed[i + 1] ** 2 + 2 * 1.8 * step))
        self.allowed = allowed

    def state(self, distance: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Return position (..., 2) and heading (...) at a distance along the path."""
        position = np.stack([np.interp(distance, self.lengths, self.path[:, i]) for i in range(2)], axis=-1)
        return position, np.interp(distance, self.lengths, self.headings)

    def pose_at(self, time: float) -> tuple[np.ndarray, float, np.ndarray]:
        """Return position (2,), heading and velocity (2,) at ``time`` in seconds."""
        position, heading = self.state(np.interp(time, self.times, self.distances))
        around = np.interp([time - 0.05, time + 0.05], self.times, self.distances)
        speed = float(around[1] - around[0]) / 0.1
        return position, float(heading), speed * np.array([np.cos(heading), np.sin(heading)])


def simulate(movers: list[Mover], duration: float) -> None:
    """Drive all movers for ``duration`` seconds; fills their ``times`` and ``distances``.

    The first mover has the right of way over crossing traffic, then the second, and so on; all movers brake for those
    ahead of them.
    """
    steps = int(np.ceil(duration / TIME_STEP)) + 1
    distance = np.zeros((steps, len(movers)))
    speed = np.array([float(mover.allowed[0]) for mover in movers])
    radius = np.array([mover.size[0] / 2 for mover in movers])
    for step in range(1, steps):
        states = [mover.state(distance[step - 1, i]) for i, mover in enumerate(movers)]
        position, heading = np.array([s[0] for s in states]), np.array([s[1] for s in states])
        near = np.linalg.norm(position[:, None] - position[None], axis=-1) < 40.0
        for i, mover in enumerate(movers):
            wanted = np.interp(distance[step - 1, i], mover.lengths, mover.allowed)
            others = np.flatnonzero(near[i] & (np.arange(len(movers)) != i)) if mover.yields else np.zeros(0, int)
            if len(others):
                gap = _gap_ahead(mover, distance[step - 1, i], i, others, position, heading, radius)
                wanted = min(wanted, np.sqrt(max(2 * _COMFORT_BRAKING * (gap - 2.5), 0.0)))
            change = np.clip(wanted - speed[i], -6.0 * TIME_STEP, 1.5 * TIME_STEP)
            speed[i] = max(speed[i] + change, 0.0)
            distance[step, i] = distance[step - 1, i] + speed[i] * TIME_STEP
    for i, mover in enumerate(movers):
        mover.times, mover.distances = np.arange(steps) * TIME_STEP, distance[:, i]


def _gap_ahead(
    mover: Mover,
    distance: float,
    index: int,
    others: np.ndarray,
    position: np.ndarray,
    heading: np.ndarray,
    radius: np.ndarray,
) -> float:
    """Return the free metres ahead of a mover's bumper on its own path."""
    ahead = np.arange(0.0, 30.0, 1.0)
    points, yaw = mover.state(distance + ahead)
    ahead_of = np.stack([np.cos(heading[others]), np.sin(heading[others])], axis=-1)
    reach = np.maximum(radius[others] - _HALF_WIDTH, 0.0)[:, None] * ahead_of
    body = position[others] + np.array([-1.0, 0.0, 1.0])[:, None, None] * reach  # rear, middle, front
    apart = np.linalg.norm(points[:, None, None] - body[None], axis=-1).min(axis=1)
    turn = np.cos(yaw[:, None] - heading[others][None])
    blocks = (apart < 2.1) & (ahead > 0)[:, None] & ((turn > 0.5) | (others < index)[None])
    free = np.where(blocks, ahead[:, None] - _HALF_WIDTH, 30.0)
    return float(free.min() - radius[index])
