"""The centre line of a lane from its polygon: half-way between its two long edges."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import shapely
from shapely.geometry import LineString
from shapely.geometry.polygon import orient

from . import curves
from .map_expansion import MapGeometry

STEP = 0.5
_LEAST_TURN = np.radians(60.0)
_TURN_COST = 0.3


@dataclass(frozen=True)
class LaneShape:
    """A lane between its two long edges, all three running the same way.

    Args:
        line: (N, 2) centre line in metres, points about half a metre apart.
        left: (M, 2) long edge to its left.
        right: (L, 2) long edge to its right.
        is_directed: Whether they are known to run in the direction of travel.
    """

    line: np.ndarray
    left: np.ndarray
    right: np.ndarray
    is_directed: bool


def lane_shape(geometry: MapGeometry, record: dict[str, Any]) -> LaneShape | None:
    """Return the shape of a lane or lane connector, or None where its polygon has no two long edges.

    The edges lie between ``from_edge_line_token`` and ``to_edge_line_token`` where the record has both. Elsewhere the
    ends are the two sides of the polygon that turn it around and leave the longest, narrowest lane between them.
    """
    polygon = geometry.polygon(record.get('polygon_token'))
    if polygon.is_empty:
        return None
    polygon = max(getattr(polygon, 'geoms', [polygon]), key=lambda part: part.area).simplify(0.05)
    ring = np.asarray(orient(polygon).exterior.coords)[:-1]
    ends = [geometry.edge(record, end) for end in ('from', 'to')]
    between = _split_between(ring, *ends) if all(end is not None for end in ends) else None
    edges = between or _best_split(ring)
    if edges is None:
        return None
    right, left = edges
    return LaneShape(_middle(left, right), left, right, is_directed=between is not None)


def _split_between(ring: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the right and left edge of a counter-clockwise ``ring``, from the line ``start`` to the line ``end``."""
    corners = [[int(np.linalg.norm(ring - xy, axis=1).argmin()) for xy in line[[0, -1]]] for line in (start, end)]
    for last, first in (corners[0], corners[0][::-1]):  # of the start edge, along the ring
        steps = [(corner - first) % len(ring) for corner in corners[1]]
        back = (last - first) % len(ring) or len(ring)
        if min(steps) > 0 and max(steps) < back:
            turned = np.roll(ring, -first, axis=0)
            turned = np.concatenate([turned, turned[:1]])
            return turned[: min(steps) + 1], turned[max(steps) : back + 1][::-1]
    return None


def _best_split(ring: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the two long edges of a counter-clockwise ``ring``, both from the same end to the other."""
    side = np.roll(ring, -1, axis=0) - ring
    yaw = np.arctan2(side[:, 1], side[:, 0])
    corner = (yaw - np.roll(yaw, 1) + np.pi) % (2 * np.pi) - np.pi
    turn = corner + np.roll(corner, -1)
    best, least = None, np.inf
    for first, second in combinations(np.flatnonzero(turn > _LEAST_TURN), 2):
        turned, count = np.roll(ring, -(first + 1), axis=0), second - first
        right, left = turned[:count], turned[count:][::-1]
        if min(len(right), len(left)) < 2:
            continue
        width = np.linalg.norm(curves.parts(right, 8) - curves.parts(left, 8), axis=1).mean()
        slimness = width / (LineString(right).length + LineString(left).length)
        cost = slimness + _TURN_COST * np.abs(np.pi - turn[[first, second]]).sum()
        if cost < least:
            best, least = (right, left), cost
    return best


def _middle(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the (N, 2) line that is as far from one edge as from the other."""
    edges = LineString(left), LineString(right)
    count = max(round(max(edge.length for edge in edges) / STEP), 2)
    line = (curves.parts(left, count) + curves.parts(right, count)) / 2
    for _ in range(2):  # equal parts of both lie aslant where one edge is the longer
        points = shapely.points(line[1:-1])
        nearest = [shapely.line_interpolate_point(e, shapely.line_locate_point(e, points)) for e in edges]
        line[1:-1] = sum(shapely.get_coordinates(points) for points in nearest) / 2
    return curves.resample(line, STEP)
