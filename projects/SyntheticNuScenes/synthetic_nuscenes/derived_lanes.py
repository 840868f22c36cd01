"""Lanes to drive on, and what they lead to, in maps without ``arcline_path_3``."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np
from shapely import prepare
from shapely.geometry import LineString
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from . import curves
from .lane_directions import find_reversed
from .lane_joints import find_joints
from .lane_polygons import STEP, LaneShape, lane_shape
from .map_expansion import MapContent, MapGeometry

_SHORTEST = 2.0


def derive_lanes(content: MapContent, keep_left: bool) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Return the centre lines (N, 2) of lanes and lane connectors by token, and the successors of each.

    Successors are those of ``connectivity`` where it has any, and otherwise the lanes that begin where this one ends.

    Args:
        content: A map expansion.
        keep_left: Whether traffic keeps to the left, where only road dividers tell directions.
    """
    geometry = MapGeometry(content)
    records = [*content['lane'], *content.get('lane_connector', [])]
    drivable = unary_union([polygon.buffer(0.3) for polygon in geometry.polygons('drivable_area')])
    prepare(drivable)
    found = {record['token']: _on_road(lane_shape(geometry, record), drivable) for record in records}
    found = {token: shape for token, shape in found.items() if shape is not None}
    tokens, shapes = list(found), list(found.values())
    number = {token: i for i, token in enumerate(tokens)}
    connectivity = content.get('connectivity', {})
    listed = [[t for t in connectivity.get(token, {}).get('outgoing', []) if t in number] for token in tokens]
    if not shapes:
        return {}, {}
    joints = find_joints([shape.line for shape in shapes], drivable)
    successions = [(i, number[t]) for i, outgoing in enumerate(listed) for t in outgoing]
    lane_count = sum(record['token'] in number for record in content['lane'])
    dividers = geometry.lines('road_divider')
    is_reversed = find_reversed(shapes, lane_count, joints, successions, dividers, keep_left)
    touched = [[] for _ in shapes]
    for joint in chain(*joints):
        for a, b in (joint, joint[::-1]):
            if (a % 2 == 1) != is_reversed[a // 2] and (b % 2 == 0) != is_reversed[b // 2]:
                touched[a // 2].append(tokens[b // 2])
    lines = {t: _trim(s.line[::-1] if turn else s.line) for t, s, turn in zip(tokens, shapes, is_reversed, strict=True)}
    return lines, {t: a or b for t, a, b in zip(tokens, listed, touched, strict=True)}


def _on_road(shape: LaneShape | None, drivable: BaseGeometry) -> LaneShape | None:
    """Crop the centre line to its longest drivable part: a cropped map may have more of a lane than of its road."""
    if shape is None or drivable.covers(LineString(shape.line)):
        return shape
    inside = LineString(shape.line).intersection(drivable)
    longest = max(getattr(inside, 'geoms', [inside]), key=lambda part: part.length)
    if longest.length < _SHORTEST:
        return None
    return replace(shape, line=curves.resample(np.asarray(longest.coords), STEP))


def _trim(line: np.ndarray) -> np.ndarray:
    """Remove up to a metre at both ends, since connected lanes may overlap or be slightly shifted."""
    count = min(2, (len(line) - 1) // 4)
    return line[count : len(line) - count]
