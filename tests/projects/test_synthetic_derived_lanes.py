"""Maps without ``arcline_path_3``: where lanes run, which way, and what leads where."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import numpy as np
import pytest
from map_by_hand import map_by_hand
from nuscenes import NuScenes
from pyquaternion import Quaternion
from shapely import distance, points
from shapely.geometry import LineString, Point, Polygon, box
from shapely.ops import unary_union

from projects.SyntheticNuScenes.synthetic_nuscenes import curves
from projects.SyntheticNuScenes.synthetic_nuscenes.lane_graph import LaneGraph
from projects.SyntheticNuScenes.synthetic_nuscenes.lane_polygons import lane_shape
from projects.SyntheticNuScenes.synthetic_nuscenes.map_expansion import MapBuilder, MapContent, MapGeometry, read_map
from projects.SyntheticNuScenes.synthetic_nuscenes.town import make_town

REAL = Path(os.environ.get('SSL_BEV_SHARED', '../shared')) / 'real' / 'nuscenes_mini_part'


def add_edges(content: MapContent, lane: str, start: list, end: list) -> None:
    """Give ``lane`` a from edge and a to edge."""
    record = next(r for r in content['lane'] if r['token'] == lane)
    for name, line in (('from', start), ('to', end)):
        nodes = [{'token': f'{lane} {name} {i}', 'x': x, 'y': y} for i, (x, y) in enumerate(line)]
        content['node'] += nodes
        content['line'].append({'token': f'{lane} {name}', 'node_tokens': [node['token'] for node in nodes]})
        record[f'{name}_edge_line_token'] = f'{lane} {name}'


def ends(graph: LaneGraph, lane: str) -> np.ndarray:
    """Return the first and the last point of a lane; a metre of each end may be cut off."""
    return graph.line(lane)[[0, -1]]


@pytest.mark.parametrize('roll', range(6))
def test_the_middle_of_a_lane_does_not_depend_on_where_its_ring_begins(roll: int):
    """A lane along x with a slanted end and a widening; both long edges have a corner in between.

    3.5 +----------+__________
      0 +--------+------------+ 0.5
        0                    40
    """
    ring = np.array([[0, 0], [22, 0], [42, 0.5], [40, 3.5], [20, 3.5], [0, 3.5]])
    builder = MapBuilder('lane', (50, 50))
    record = {'polygon_token': builder.polygon(Polygon(np.roll(ring, roll, axis=0)))}
    shape = lane_shape(MapGeometry(builder.content), record)
    line = shape.line if shape.line[0, 0] < 1 else shape.line[::-1]
    assert np.allclose(line[[0, -1]], [[0, 1.75], [41, 2.0]], atol=0.01) and not shape.is_directed
    assert np.allclose(line[line[:, 0] < 20, 1], 1.75, atol=0.02)
    assert np.linalg.norm(np.diff(line, axis=0), axis=1) == pytest.approx(0.5, abs=0.02)


def test_a_bay_beside_a_bend_leaves_the_middle_of_the_lane_where_it_is():
    angle = np.linspace(0.0, np.pi / 2, 60)
    arc = 30.0 * np.column_stack([np.cos(angle), np.sin(angle)])
    shape = unary_union([LineString(arc).buffer(2.0, cap_style='flat'), box(29, 4, 36, 10)])
    builder = MapBuilder('bay', (50, 50))
    record = {'polygon_token': builder.polygon(shape)}
    line = lane_shape(MapGeometry(builder.content), record).line
    assert np.linalg.norm(line, axis=1) == pytest.approx(30.0, abs=0.15)


@pytest.mark.parametrize('keep_left', [True, False])
def test_road_dividers_tell_directions_and_touching_lanes_lead_on(keep_left: bool):
    graph = LaneGraph(map_by_hand(), keep_left)
    west_to_east = np.sign(np.diff(ends(graph, 'near north')[:, 0]))[0]
    assert west_to_east == (1 if keep_left else -1)
    assert np.sign(np.diff(ends(graph, 'far south')[:, 0]))[0] == -west_to_east
    way = ['near north', 'far north', 'bend', 'up']
    back = ['far south', 'near south']
    if not keep_left:
        way, back = way[::-1], back[::-1]
    for lanes in (way, back):
        assert [graph.successors[lane] for lane in lanes] == [[lane] for lane in lanes[1:]] + [[]]
    assert graph.lanes == ['near north', 'near south', 'far north', 'far south', 'up']


def test_a_way_over_touching_lanes_has_no_jumps_and_stays_in_the_middle():
    graph = LaneGraph(map_by_hand())
    path = graph.route(np.random.default_rng(0), 1000.0, 'near north')
    angle = np.linspace(0.0, np.pi / 2, 50)
    bend = np.array([110.0, 69.75]) + 18.0 * np.column_stack([np.sin(angle), -np.cos(angle)])
    middle = LineString([(10.0, 51.75), *bend, (128.0, 150.0)])
    assert LineString(path).length == pytest.approx(middle.length, abs=2.5)
    assert distance(points(path), middle).max() < 0.2
    assert np.linalg.norm(np.diff(path, axis=0), axis=1).max() < 0.6
    turns = np.diff(curves.headings(path))
    assert turns.min() > -0.02 and turns.max() < 0.06 and turns.sum() == pytest.approx(np.pi / 2, abs=0.02)


def test_a_way_to_where_lanes_end_has_no_point_twice():
    path = LaneGraph(map_by_hand()).route(np.random.default_rng(0), 1000.0, 'bend', skip=3.0)
    assert np.linalg.norm(np.diff(path, axis=0), axis=1).min() > 1e-3
    assert np.isfinite(curves.headings(path)).all()


def test_edges_of_lanes_and_connectivity_are_believed_rather_than_dividers():
    content = map_by_hand()
    add_edges(content, 'near north', start=[[60, 53.5], [60, 50]], end=[[10, 50], [10, 53.5]])
    graph = LaneGraph(content)
    assert ends(graph, 'near north')[:, 0] == pytest.approx([59, 11], abs=0.1)
    assert ends(graph, 'near south')[:, 0] == pytest.approx([59, 11], abs=0.1)
    content = map_by_hand() | {'connectivity': {'near south': {'incoming': [], 'outgoing': ['far south']}}}
    graph = LaneGraph(content)
    assert ends(graph, 'near south')[:, 0] == pytest.approx([11, 59], abs=0.1)
    assert graph.successors['near south'] == ['far south'] and ends(graph, 'far south')[0, 0] < 62


def test_an_edge_may_be_longer_than_one_side_of_the_ring_or_a_single_point():
    """Two nodes in the middle of the beginning; the lane ends in a point."""
    ring = np.array([[0, 2], [0, 4], [20, 4], [40, 4], [20, 0.5], [0, 0]])
    builder = MapBuilder('lane', (50, 50))
    polygon = builder.polygon(Polygon(ring))
    edges = {
        'from_edge_line_token': builder.line(np.array([[0, 4], [0, 2], [0, 0]])),
        'to_edge_line_token': builder.line(np.array([[40, 4], [39.99, 4]])),
    }
    shape = lane_shape(MapGeometry(builder.content), {'polygon_token': polygon, **edges})
    assert shape.is_directed and np.allclose(shape.line[[0, -1]], [[0, 2], [40, 4]], atol=0.01)
    assert shape.left[:, 1].min() == 4.0 and shape.right[0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(('gap', 'road', 'joined'), [(15.0, True, True), (15.0, False, False), (35.0, True, False)])
def test_lanes_lead_on_straight_across_road_without_lanes(gap: float, road: bool, joined: bool):
    successors = LaneGraph(map_by_hand(gap, road)).successors
    assert successors['near north'] == ['far north'] * joined and successors['far south'] == ['near south'] * joined


def test_lanes_end_where_the_road_does():
    """A part of a map may have whole lanes, but road only within some distance."""
    content = map_by_hand()
    ring = {'token': 'part', 'exterior_node_tokens': [f'corner {i}' for i in range(4)]}
    corners = zip(ring['exterior_node_tokens'], [(0, 40), (90, 40), (90, 60), (0, 60)], strict=True)
    content['node'] += [{'token': token, 'x': x, 'y': y} for token, (x, y) in corners]
    content['polygon'].append(ring)
    content['drivable_area'] = [{'token': 'area', 'polygon_tokens': ['part']}]
    graph = LaneGraph(content)
    assert graph.lanes == ['near north', 'near south', 'far north', 'far south']
    assert ends(graph, 'far north')[:, 0] == pytest.approx([61, 89.3], abs=0.3)
    assert graph.successors['far north'] == [] and 'bend' not in graph.successors


def test_traffic_across_a_median_is_opposite_where_there_is_no_divider():
    """Two carriageways of two lanes, 3 m apart."""
    builder = MapBuilder('median', (100, 50))
    for name, low in (('south', 0), ('inner south', 3), ('inner north', 9), ('north', 12)):
        polygon = builder.polygon(box(0, low, 80, low + 3))
        builder.content['lane'].append({'token': name, 'polygon_token': polygon})
    builder.add('drivable_area', polygon_tokens=[builder.polygon(box(0, 0, 80, 15))])
    for keep_left in (True, False):
        graph = LaneGraph(builder.content, keep_left)
        east = {lane: bool(np.diff(ends(graph, lane)[:, 0])[0] > 0) for lane in graph.lanes}
        assert east == {
            'south': not keep_left,
            'inner south': not keep_left,
            'inner north': keep_left,
            'north': keep_left,
        }


@pytest.mark.parametrize('kept', [(), ('edges',), ('connectivity',)])
def test_a_town_without_its_arclines_has_the_same_lanes(kept: tuple[str, ...]):
    town = make_town(11, cells=3)
    stripped = copy.deepcopy(town) | {'arcline_path_3': {}}
    if 'connectivity' not in kept:
        stripped['connectivity'] = {}
    if 'edges' not in kept:
        for record in stripped['lane']:
            del record['from_edge_line_token'], record['to_edge_line_token']
    truth, derived = LaneGraph(town), LaneGraph(stripped)
    assert sorted(derived.lanes) == sorted(truth.lanes)
    for lane, successors in truth.successors.items():
        assert set(derived.successors[lane]) == set(successors)
        line, middle = derived.line(lane), LineString(truth.line(lane))
        assert distance(points(line), middle).max() < 0.15
        assert middle.project(Point(line[0])) < 1.2 and middle.length - middle.project(Point(line[-1])) < 1.2


@pytest.mark.skipif(not REAL.is_dir(), reason=f'no real nuScenes maps at {REAL}; set SSL_BEV_SHARED')
def test_real_cars_drive_the_way_that_lanes_of_their_maps_run():
    dataset = NuScenes('v1.0-mini', str(REAL), verbose=False)
    compared = 0
    for place in ('boston-seaport', 'singapore-queenstown'):
        content = read_map(REAL / f'maps/expansion/{place}.json')
        graph = LaneGraph(content, keep_left=place.startswith('singapore'))
        lines = np.concatenate([graph.line(lane) for lane in graph.lanes])
        yaw = np.concatenate([curves.headings(graph.line(lane)) for lane in graph.lanes])
        for sample in dataset.sample:
            if dataset.get('log', dataset.get('scene', sample['scene_token'])['log_token'])['location'] != place:
                continue
            pose = dataset.get('ego_pose', dataset.get('sample_data', sample['data']['LIDAR_TOP'])['ego_pose_token'])
            away = np.linalg.norm(lines - pose['translation'][:2], axis=1)
            if away.min() < 1.0:
                turn = yaw[away.argmin()] - Quaternion(pose['rotation']).yaw_pitch_roll[0]
                assert np.cos(turn) > np.cos(np.radians(5.0)), sample['token']
                compared += 1
    assert compared == 7
