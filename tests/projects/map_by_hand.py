"""A small town without arclines, lane edges or connectivity, as a converter may write it."""

from __future__ import annotations

import numpy as np
from shapely.geometry import LineString, Polygon, box
from shapely.ops import unary_union

from projects.SyntheticNuScenes.synthetic_nuscenes.map_expansion import MapBuilder, MapContent


def map_by_hand(gap: float = 0.0, road_in_gap: bool = True) -> MapContent:
    """Return a two-way street in two stretches whose northern lane bends left at its end, into a one-way street.

    Args:
        gap: Metres between the two stretches in which there are no lanes.
        road_in_gap: Whether one can drive there.

        y                              | |
        |                              | |  up
       60 . . . . . . . . . . . . . . /  |
          near north | far north    _/ bend        traffic on the left: the northern lanes run east
       50 ------------ road divider ----
          near south | far south
          10        60            110    x
    """
    builder = MapBuilder('by hand', (180, 180))
    angle = np.linspace(0.0, np.pi / 2, 12)
    arc = np.array([110.0, 69.75]) + 18.0 * np.column_stack([np.sin(angle), -np.cos(angle)])
    shapes = {
        'near north': box(10, 50, 60 - gap, 53.5),
        'near south': box(10, 46.5, 60 - gap, 50),
        'far north': box(60, 50, 110, 53.5),
        'far south': box(60, 46.5, 110, 50),
        'up': box(126.25, 69.75, 129.75, 150),
    }
    bend = LineString(arc).buffer(1.75, cap_style='flat')
    for i, (name, shape) in enumerate(shapes.items()):
        ring = np.roll(np.asarray(shape.exterior.coords)[:-1], i, axis=0)
        paint = {'left_lane_divider_segments': [], 'right_lane_divider_segments': []}  # the devkit needs them
        builder.content['lane'].append({'token': name, 'polygon_token': builder.polygon(Polygon(ring)), **paint})
    builder.content['lane_connector'].append({'token': 'bend', 'polygon_token': builder.polygon(bend)})
    paved = [*shapes.values(), bend, *([box(10, 46.5, 60, 53.5)] if road_in_gap else [])]
    road = unary_union([shape.buffer(0.5, join_style='mitre') for shape in paved])
    parts = getattr(road, 'geoms', [road])
    builder.add('drivable_area', polygon_tokens=[builder.polygon(part) for part in parts])
    builder.add('road_divider', line_token=builder.line(np.array([[10.0, 50.0], [110.0, 50.0]])))
    content = builder.content
    del content['arcline_path_3'], content['connectivity']
    for polygon in content['polygon']:
        del polygon['holes']
    return content
