"""The neighbours of lanes: other lanes, or a strip with the opposite carriageway behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from shapely import STRtree
from shapely.geometry import LineString, Point

from .lane_polygons import LaneShape

BESIDE = 0.5
_MEDIAN = 6.0
_PARALLEL = np.cos(np.radians(20.0))
_QUARTERS = (0.25, 0.5, 0.75)


def side_by_side(shapes: Sequence[LaneShape], road_dividers: STRtree) -> Iterator[tuple[int, int, bool]]:
    """Yield pairs of lanes that share an edge which no road divider follows, and whether their lines are opposite."""
    edges = _long_edges(shapes)
    tree = STRtree(edges)
    for number, edge in enumerate(edges):
        middle = edge.interpolate(0.5, normalized=True)
        if len(road_dividers.query(middle, 'dwithin', BESIDE)):
            continue
        for other in tree.query(middle, 'dwithin', BESIDE):
            if other // 2 != number // 2:
                yield number // 2, int(other // 2), bool(_heading(edge, middle) @ _heading(edges[other], middle) < 0)


def facing_edges(shapes: Sequence[LaneShape]) -> list[LineString]:
    """Return the long edges that face a parallel lane across a strip without lanes, at most 6 m wide, all along."""
    edges = _long_edges(shapes)
    tree = STRtree(edges)
    return [
        edge
        for number, edge in enumerate(edges)
        if all(_faces_parallel(edges, tree, number, edge.interpolate(part, normalized=True)) for part in _QUARTERS)
    ]


def _faces_parallel(edges: Sequence[LineString], tree: STRtree, number: int, at: Point) -> bool:
    ahead = _heading(edges[number], at)
    outward = np.array([-ahead[1], ahead[0]]) * (1 if number % 2 == 0 else -1)
    sight = LineString(np.array(at.coords) + np.outer([0.0, _MEDIAN], outward))
    seen = [edges[other] for other in tree.query(sight, 'intersects') if other // 2 != number // 2]
    if not seen or any(other // 2 != number // 2 for other in tree.query(at, 'dwithin', BESIDE)):
        return False
    return abs(_heading(min(seen, key=at.distance), at) @ ahead) > _PARALLEL


def _long_edges(shapes: Sequence[LaneShape]) -> list[LineString]:
    """Return the left edges at even and the right ones at odd places."""
    return [LineString(edge) for shape in shapes for edge in (shape.left, shape.right)]


def _heading(edge: LineString, at: Point) -> np.ndarray:
    """Return the unit vector (2,) along ``edge`` where it passes ``at``."""
    distance = edge.project(at)
    back, ahead = (edge.interpolate(min(max(distance + step, 0.0), edge.length)) for step in (-0.5, 0.5))
    vector = np.array([ahead.x - back.x, ahead.y - back.y])
    return vector / np.linalg.norm(vector)
