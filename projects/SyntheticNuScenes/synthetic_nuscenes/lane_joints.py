"""Which lanes lead on to which, from where their ends lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree
from shapely.geometry import LineString
from shapely.geometry.base import BaseGeometry

_TOUCH = 1.0
_FACING = np.radians(45.0)
_GAP = 30.0
_STRAIGHT = np.radians(10.0)

Joint = tuple[int, int]


def find_joints(lines: Sequence[np.ndarray], drivable: BaseGeometry) -> tuple[list[Joint], list[Joint]]:
    """Find the pairs of lane ends over which one can drive on, in one direction or the other.

    Ends are numbered: line ``i`` has its first point at end ``2 i`` and its last one at end ``2 i + 1``.

    Args:
        lines: Centre lines (N, 2) in metres, whichever way they run.
        drivable: Where one can drive.

    Returns:
        Pairs of ends that touch, facing each other; and of those that touch none, the pairs straight ahead of each
        other, at most 30 m apart across drivable ground: maps may have nothing but road where side roads meet it.
    """
    ends = np.array([xy for line in lines for xy in (line[0], line[-1])])
    outward = np.array([_direction(part) for line in lines for part in (line[4::-1], line[-5:])])
    pairs = cKDTree(ends).query_pairs(_GAP, output_type='ndarray')
    pairs = pairs[pairs[:, 0] // 2 != pairs[:, 1] // 2]
    first, second = pairs.T
    pairs = pairs[_angle(outward[first], -outward[second]) < _FACING]
    first, second = pairs.T
    gap = ends[second] - ends[first]
    length = np.linalg.norm(gap, axis=1)
    touching = [(int(a), int(b)) for a, b in pairs[length < _TOUCH]]
    taken = {end for joint in touching for end in joint}
    bend = np.maximum(_angle(gap, outward[first]), _angle(-gap, outward[second]))
    straight = np.flatnonzero((length >= _TOUCH) & (bend < _STRAIGHT))
    ahead = []
    for index in straight[np.argsort((length * (1 + bend))[straight], kind='stable')]:
        a, b = (int(end) for end in pairs[index])
        if not {a, b} & taken and drivable.covers(LineString(ends[[a, b]])):
            ahead.append((a, b))
            taken |= {a, b}
    return touching, ahead


def _direction(line: np.ndarray) -> np.ndarray:
    return (line[-1] - line[0]) / np.linalg.norm(line[-1] - line[0])


def _angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the angles (N,) between vectors (N, 2)."""
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return np.abs(np.arctan2(cross, (a * b).sum(axis=1)))
