"""The ground of synthetic nuScenes: what is painted where, from a map expansion alone."""

from __future__ import annotations

import numpy as np
import pytest
from shapely.geometry import Polygon
from shapely.geometry import box as rectangle

from projects.SyntheticNuScenes.synthetic_nuscenes.class_names import CLASS_NAMES, class_id
from projects.SyntheticNuScenes.synthetic_nuscenes.ground import Ground
from projects.SyntheticNuScenes.synthetic_nuscenes.map_expansion import MapBuilder
from projects.SyntheticNuScenes.synthetic_nuscenes.map_layers import MapLayers
from projects.SyntheticNuScenes.synthetic_nuscenes.paint_canvas import Paint, PaintCanvas
from projects.SyntheticNuScenes.synthetic_nuscenes.paint_style import Wear

BOUNDS = (0.0, 0.0, 64.0, 24.0)
LINE = Paint('Lane Marking - Straight Line')


def road_map(kind: str = 'SINGLE_SOLID_WHITE', hole: bool = False) -> dict:
    """A road along x between y = 6 and 18 with one divider at y = 12, and a traffic island if ``hole``."""
    builder = MapBuilder('town', (64, 24))
    island = [rectangle(30, 14, 34, 16).exterior.coords] if hole else []
    road = Polygon(rectangle(-20, 6, 90, 18).exterior.coords, island)
    builder.add('drivable_area', polygon_tokens=[builder.polygon(road)])
    x = np.arange(-20, 91, 10.0)
    line = builder.line(np.stack([x, np.full_like(x, 12.0)], 1))
    builder.add('lane_divider', line_token=line, lane_divider_segments=builder.segments(line, [kind] * len(x)))
    return builder.content


def classes_of(ground: Ground, y: float, x0: float = 2.0, x1: float = 62.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the surface class and the paint class (0 where paint covers less than half) along a line."""
    points = np.stack([np.arange(x0, x1, 0.05), np.full(round((x1 - x0) / 0.05), y)], -1)[None]
    colour, ids = (a[0] for a in ground.sample(0, points))
    cover = colour[:, 3]
    return ids[:, 0], np.where(cover > 127, ids[:, 1], 0)


def plain(content: dict) -> Ground:
    return Ground(MapLayers(content, BOUNDS), 1, distractors=False, worn=False)


def test_a_stroke_covers_its_width_to_a_tenth_of_a_cell():
    canvas = PaintCanvas(np.zeros(2), (40, 80), 0.05)
    canvas.stroke(np.array([[0.5, 1.0], [3.5, 1.0]]), 0.13, LINE, 1.0)
    assert canvas.cover[:, 40].sum() / 255 * 0.05 == pytest.approx(0.13, abs=0.02)
    centre = (canvas.cover[:, 40] * (np.arange(40) + 0.5)).sum() / canvas.cover[:, 40].sum() * 0.05
    assert centre == pytest.approx(1.0, abs=0.004)


def test_strength_colours_the_paint_and_not_its_coverage():
    canvas = PaintCanvas(np.zeros(2), (20, 20), 0.05)
    square = np.array([[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]])
    canvas.polygon(square, LINE, 0.5)
    assert canvas.cover[10, 10] == 255 and canvas.tint[10, 10] == 127
    canvas.polygon(square + 100, LINE, 1.0)  # outside: nothing happens
    assert canvas.cover.sum() == pytest.approx(255 * 144, rel=0.05)


def test_solid_dashed_and_missing_dividers():
    solid, dashed, nil = (
        classes_of(plain(road_map(kind)), 12.0)[1] for kind in ('SINGLE_SOLID_WHITE', 'DOUBLE_DASHED_WHITE', 'NIL')
    )
    assert (solid == class_id('Lane Marking - Straight Line')).all()
    is_paint = np.isin(dashed, [class_id('Lane Marking - Dashed Line')])
    assert 0.2 < is_paint.mean() < 0.6 and np.abs(np.diff(is_paint.astype(int))).sum() > 6
    assert not nil.any()


def test_a_double_line_leaves_its_middle_free():
    ground = plain(road_map('DOUBLE_SOLID_WHITE'))
    width = ground.style.line_width
    assert not classes_of(ground, 12.0)[1].any()
    for y in (12 - width, 12 + width):
        assert (classes_of(ground, y)[1] == class_id('Lane Marking - Straight Line')).all()


def test_an_island_is_no_road_and_has_a_kerb():
    surface = classes_of(plain(road_map(hole=True)), 15.0)[0]
    at = {x: surface[round((x - 2.0) / 0.05)] for x in (25.0, 30.1, 32.0)}
    assert at == {25.0: class_id('Road'), 30.1: class_id('Curb'), 32.0: class_id('Terrain')}


def test_paint_stays_on_the_road():
    content = road_map()
    content['drivable_area'] = []
    ground = plain(content)
    assert not classes_of(ground, 12.0)[1].any()


def test_edge_lines_are_inside_the_road_and_do_not_depend_on_the_bounds():
    wide = Ground(MapLayers(road_map(), BOUNDS), 3)
    narrow = Ground(MapLayers(road_map(), (20.0, 2.0, 50.0, 22.0)), 3)
    for y in np.arange(6.1, 7.2, 0.05):
        assert np.array_equal(classes_of(wide, y, 25, 45)[1] > 0, classes_of(narrow, y, 25, 45)[1] > 0)
    painted = any(classes_of(wide, y)[1].any() for y in np.arange(6.1, 7.4, 0.05))
    painted |= any(classes_of(wide, y)[1].any() for y in np.arange(16.6, 17.9, 0.05))
    assert painted
    for y in (5.0, 5.6, 18.4, 19.0):
        assert not classes_of(wide, y)[1].any()


def test_wear_takes_paint_and_its_label_away():
    fresh, worn = (
        classes_of(Ground(MapLayers(road_map(), BOUNDS), seed, distractors=False, worn=w), 12.0)[1]
        for seed, w in ((2, False), (2, True))
    )
    share = [
        classes_of(Ground(MapLayers(road_map(), BOUNDS), s, distractors=False), 12.0)[1].astype(bool).mean()
        for s in range(6)
    ]
    assert fresh.all() and worn.astype(bool).sum() <= fresh.astype(bool).sum()
    assert min(share) < 0.97 and max(share) > 0.8


def test_wear_is_gone_inside_the_gap_only():
    wear = Wear(0.8, np.ones(10), np.array([[5.0, 7.0]]))
    assert wear.at(4.9) == pytest.approx(0.8) and wear.at(5.0) == 0 and wear.at(7.0) == pytest.approx(0.8)


def test_a_map_as_sparse_as_real_ones_can_be_is_painted():
    """No segment records, no lane edges, a lane without arcline path, missing optional layers."""
    content = road_map()
    content['lane_divider'][0].pop('lane_divider_segments')
    content['lane'].append({'token': 'x', 'polygon_token': content['polygon'][0]['token'], 'lane_type': 'CAR'})
    content['polygon'].append({'token': 'degenerate', 'exterior_node_tokens': [], 'holes': []})
    content['walkway'].append({'token': 'w', 'polygon_token': 'degenerate'})
    for layer in ('lane_connector', 'carpark_area', 'stop_line'):
        del content[layer]
    paint = classes_of(Ground(MapLayers(content, BOUNDS), 1), 12.0)[1]
    assert all(CLASS_NAMES[i].startswith('Lane Marking') for i in np.unique(paint) if i)
