"""Positions along and beside the path of a vehicle."""

from __future__ import annotations

import numpy as np

_SPACING = 2.0  # metres between the points of the path; poses jitter
_CHUNK = 10_000


class RoadPath:
    """The path through a scene, continued straight at both ends.

    Args:
        poses: ego2global of the frames, in order of time.
        reach: length of the continuation at both ends, metres.
    """

    def __init__(
        self,
        poses: np.ndarray,  # (F, 4, 4)
        reach: float,
    ) -> None:
        points = _thin(poses[:, :2, 3])
        first, last = (pose[:2, 0] / np.linalg.norm(pose[:2, 0]) for pose in (poses[0], poses[-1]))
        if len(points) > 1:
            first, last = _direction(points[0], points[1]), _direction(points[-2], points[-1])
        self._points = np.array([points[0] - reach * first, *points, points[-1] + reach * last])
        self._lengths = np.linalg.norm(np.diff(self._points, axis=0), axis=1)
        self._starts = np.concatenate([[0], np.cumsum(self._lengths)])

    @property
    def length(self) -> float:
        """Metres, of all."""
        return float(self._starts[-1])

    def coordinates(
        self,
        points: np.ndarray,  # (P, 2), metres in the global frame
    ) -> tuple[np.ndarray, np.ndarray]:  # (P,), (P,)
        """The distance along the path of the nearest point, and the distance to the left of it, metres."""
        pieces = np.array_split(points, len(points) // _CHUNK + 1)
        along, beside = zip(*map(self._coordinates, pieces), strict=True)
        return np.concatenate(along), np.concatenate(beside)

    def _coordinates(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        steps = np.diff(self._points, axis=0) / self._lengths[:, None]
        offsets = points[:, None] - self._points[:-1]  # (P, pieces, 2)
        along = np.clip((offsets * steps).sum(-1), *self._limits())
        distance = np.linalg.norm(offsets - along[..., None] * steps, axis=-1)
        piece, every = distance.argmin(1), np.arange(len(points))
        x, y = offsets[every, piece].T
        return self._starts[piece] + along[every, piece], steps[piece, 0] * y - steps[piece, 1] * x

    def _limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest distance along each piece; the first and the last continue without end."""
        low, high = np.zeros_like(self._lengths), self._lengths.copy()
        low[0], high[-1] = -np.inf, np.inf
        return low, high


def _thin(positions: np.ndarray) -> list[np.ndarray]:
    points = [positions[0]]
    for position in positions[1:]:
        if np.linalg.norm(position - points[-1]) > _SPACING:
            points.append(position)
    return points


def _direction(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    return (end - start) / np.linalg.norm(end - start)
