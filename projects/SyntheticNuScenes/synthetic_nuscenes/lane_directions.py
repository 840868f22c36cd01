"""The direction of travel of lanes for which the map has only a polygon."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

import numpy as np
from shapely import STRtree, points
from shapely.geometry import LineString

from . import curves
from .lane_joints import Joint
from .lane_neighbours import BESIDE, facing_edges, side_by_side
from .lane_polygons import LaneShape

_Relatives = dict[int, list[tuple[int, bool]]]


def find_reversed(
    shapes: Sequence[LaneShape],
    lane_count: int,
    joints: tuple[Sequence[Joint], Sequence[Joint]],
    successions: Sequence[tuple[int, int]],
    road_dividers: Sequence[LineString],
    keep_left: bool,
) -> list[bool]:
    """Return for each lane whether its line runs against the traffic.

    The direction comes from the end edges of a lane, then from successors in the map, then from the side of a road
    divider. Other lanes follow those that they touch, end to end or side by side, or that are straight ahead. The
    remaining ones have opposite traffic if they face a parallel lane across a strip. The rest is not changed.

    Args:
        shapes: The lanes, then the lane connectors.
        lane_count: Number of lanes among them.
        joints: The ends that touch, and those that are straight ahead, see `find_joints`.
        successions: Pairs (from, to) of numbers of lanes.
        road_dividers: Lines between lanes of opposite directions.
        keep_left: Whether opposite traffic is to the right.
    """
    lanes, dividers = shapes[:lane_count], STRtree(list(road_dividers))
    found = {i: False for i, shape in enumerate(shapes) if shape.is_directed}
    found = _from_opposite(lanes, dividers, keep_left) | _from_successions(shapes, successions) | found
    touching, ahead = ([(a // 2, b // 2, a % 2 == b % 2) for a, b in pairs] for pairs in joints)
    related = []
    for pairs in (touching, side_by_side(lanes, dividers), ahead):
        related += pairs
        relatives = _relatives(related)
        _hand_on(found, list(found), relatives)
    faced = {}
    if len(found) < len(shapes):
        faced = _from_opposite(lanes, STRtree(facing_edges(lanes)), keep_left)
    for i in range(len(shapes)):
        if i not in found:
            group = {i: False}
            _hand_on(group, [i], relatives)
            votes = sum(len(shapes[j].line) * (1 if faced[j] == group[j] else -1) for j in group if j in faced)
            found |= {j: turned != (votes < 0) for j, turned in group.items()}
    return [found[i] for i in range(len(shapes))]


def _from_opposite(shapes: Sequence[LaneShape], bounds: STRtree, keep_left: bool) -> dict[int, bool]:
    """Find directions from ``bounds``, lines beyond which traffic is opposite."""
    found = {}
    for i, shape in enumerate(shapes):
        left, right = (
            len(np.unique(bounds.query(points(curves.parts(edge, 4)[1:-1]), 'dwithin', BESIDE)[0]))
            for edge in (shape.left, shape.right)
        )
        if left != right:
            found[i] = (left > right) == keep_left
    return found


def _from_successions(shapes: Sequence[LaneShape], successions: Sequence[tuple[int, int]]) -> dict[int, bool]:
    found = {}
    for i, j in successions:
        ends, begins = (shapes[lane].line[[0, -1]] for lane in (i, j))
        leaves, enters = divmod(int(np.linalg.norm(ends[:, None] - begins[None], axis=-1).argmin()), 2)
        found |= {i: leaves == 0, j: enters == 1}
    return found


def _relatives(pairs: Iterable[tuple[int, int, bool]]) -> _Relatives:
    """Return for each lane those related to it, and whether their lines run against its own."""
    relatives = defaultdict(list)
    for i, j, against in pairs:
        relatives[i].append((j, against))
        relatives[j].append((i, against))
    return relatives


def _hand_on(found: dict[int, bool], start: Iterable[int], relatives: _Relatives) -> None:
    """Extend ``found`` from the lanes ``start`` to all that are related to them and not yet in it."""
    queue = deque(start)
    while queue:
        i = queue.popleft()
        for j, against in relatives.get(i, []):
            if j not in found:
                found[j] = found[i] != against
                queue.append(j)
