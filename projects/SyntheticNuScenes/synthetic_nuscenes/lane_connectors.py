"""Lanes of a town and the connectors that carry traffic through its junctions."""

from __future__ import annotations

import numpy as np
from shapely.geometry import LineString

from . import curves
from .map_expansion import MapBuilder
from .road_network import Arm, Junction, Road


def connect_lanes(builder: MapBuilder, roads: list[Road], junctions: list[Junction]) -> None:
    """Write lanes, lane connectors, their centre lines and which leads to which."""
    lanes: dict[tuple[int, int], list[tuple[str, np.ndarray]]] = {}
    for road in roads:
        for direction in (1, -1):
            lanes[road.index, direction] = [
                (_add_lane(builder, road, lane, direction), road.lane_line(lane, direction))
                for lane in road.profile.lanes(direction)
            ]
    for junction in junctions:
        for arriving in junction.arms:
            incoming = lanes[arriving.road.index, -arriving.outward]
            for index in range(len(incoming)):
                for leaving, target in _moves(junction, arriving, index, len(incoming), lanes):
                    _connect(builder, incoming[index], lanes[leaving.road.index, leaving.outward][target])


def _moves(junction: Junction, arriving: Arm, index: int, count: int, lanes: dict) -> list[tuple[Arm, int]]:
    """Return the (arm, lane) pairs that lane ``index`` (0 = outermost = left) of ``count`` may go to."""
    found, fallback = [], []
    for leaving in junction.arms:
        targets = len(lanes[leaving.road.index, leaving.outward])
        if leaving is arriving or not targets:
            continue
        turn = (leaving.bearing - arriving.bearing - np.pi + np.pi) % (2 * np.pi) - np.pi
        if turn > np.radians(40):
            allowed, target = index == 0, 0
        elif turn < -np.radians(40):
            allowed, target = index == count - 1, targets - 1
        else:
            allowed, target = index < targets or index == count - 1, min(index, targets - 1)
        (found if allowed else fallback).append((leaving, target))
    return found or fallback[:1]


def _add_lane(builder: MapBuilder, road: Road, lane: tuple[float, float], direction: int) -> str:
    profile, (left, right) = road.profile, lane if direction > 0 else lane[::-1]
    start, stop = (road.start, road.stop) if direction > 0 else (road.stop, road.start)
    ends = [np.stack([road.edge(at, at + 0.01, side)[0] for side in (left, right)]) for at in (start, stop)]
    sides = {
        'left_lane_divider_segments': _side_paint(builder, road, start, stop, left),
        'right_lane_divider_segments': _side_paint(builder, road, start, stop, right),
    }
    token = builder.add(
        'lane',
        polygon_token=builder.polygon(road.strip(start, stop, left, right)),
        lane_type='CAR',
        from_edge_line_token=builder.line(ends[0]),
        to_edge_line_token=builder.line(ends[1]),
        **sides,
    )
    builder.content['arcline_path_3'][token] = curves.to_arclines(road.lane_line(lane, direction))
    builder.content['connectivity'][token] = {'incoming': [], 'outgoing': []}
    assert profile.lanes(direction)
    return token


def _side_paint(builder: MapBuilder, road: Road, start: float, stop: float, lateral: float) -> list[dict[str, str]]:
    profile, kind = road.profile, 'NIL'
    if any(abs(lateral - d) < 1e-6 for d in profile.lane_dividers()):
        kind = profile.lane_paint
    elif profile.road_divider() is not None and abs(lateral - profile.road_divider()) < 1e-6:
        kind = profile.centre_paint
    return [{'node_token': t, 'segment_type': kind} for t in builder.nodes(road.edge(start, stop, lateral))]


def _connect(builder: MapBuilder, source: tuple[str, np.ndarray], target: tuple[str, np.ndarray]) -> None:
    leave, arrive = source[1][-2:], target[1][:2]
    tangents = np.stack([leave[1] - leave[0], arrive[1] - arrive[0]])
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    line = curves.hermite(np.stack([leave[1], arrive[0]]), tangents, 0.5)
    shape = LineString(curves.thin_out(line)).buffer(1.5, cap_style='flat')
    token = builder.add('lane_connector', polygon_token=builder.polygon(shape))
    content = builder.content
    content['arcline_path_3'][token] = curves.to_arclines(line, chunk=1.5)
    content['connectivity'][token] = {'incoming': [source[0]], 'outgoing': [target[0]]}
    content['connectivity'][source[0]]['outgoing'].append(token)
    content['connectivity'][target[0]]['incoming'].append(token)
