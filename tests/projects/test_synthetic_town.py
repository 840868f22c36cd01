"""Towns: what lies where, what the devkit makes of them, and that they are all different."""

import json
from pathlib import Path

import numpy as np
import pytest
from nuscenes.map_expansion.arcline_path_utils import discretize_lane
from nuscenes.map_expansion.map_api import NuScenesMap
from shapely.geometry import LineString
from shapely.ops import unary_union

from projects.SyntheticNuScenes.synthetic_nuscenes import curves
from projects.SyntheticNuScenes.synthetic_nuscenes.lane_graph import LaneGraph
from projects.SyntheticNuScenes.synthetic_nuscenes.map_expansion import MapGeometry, read_map, write_map
from projects.SyntheticNuScenes.synthetic_nuscenes.movers import Mover, simulate
from projects.SyntheticNuScenes.synthetic_nuscenes.road_profile import RoadProfile
from projects.SyntheticNuScenes.synthetic_nuscenes.scene_plan import derive_seed
from projects.SyntheticNuScenes.synthetic_nuscenes.town import make_town


@pytest.fixture(scope='module')
def town() -> dict:
    return make_town(11, cells=4)


@pytest.fixture(scope='module')
def geometry(town: dict) -> MapGeometry:
    return MapGeometry(town)


def test_the_same_seed_makes_the_same_town_and_another_a_different_one():
    assert make_town(2, cells=3) == make_town(2, cells=3)
    tokens = [{record['token'] for record in make_town(seed, cells=3)['node']} for seed in (2, 3)]
    assert not tokens[0] & tokens[1]


def test_a_bend_so_tight_that_the_walkway_crosses_itself():
    town = make_town(derive_seed(205, 'train'), cells=7)
    geometry = MapGeometry(town)
    assert all(shape.is_valid for shape in geometry.polygons('walkway'))


def test_dividers_lie_on_drivable_area_and_outside_junctions(town: dict, geometry: MapGeometry):
    drivable = unary_union(geometry.polygons('drivable_area'))
    junctions = unary_union(
        [geometry.polygon(r['polygon_token']) for r in town['road_segment'] if r['is_intersection']]
    )
    for layer in ('lane_divider', 'road_divider'):
        lines = geometry.lines(layer)
        assert len(lines) > 5
        for line in lines:
            assert line.difference(drivable.buffer(0.05)).length == 0.0
            assert line.intersection(junctions.buffer(-0.1)).length == 0.0


def test_crossings_reach_from_kerb_to_kerb_and_stop_lines_lie_on_the_road(geometry: MapGeometry):
    drivable = unary_union(geometry.polygons('drivable_area'))
    for crossing in geometry.polygons('ped_crossing'):
        assert crossing.intersection(drivable).area > 0.95 * crossing.area
        assert not crossing.buffer(0.3).difference(drivable).is_empty
    for stop in geometry.polygons('stop_line'):
        assert stop.difference(drivable.buffer(0.05)).area == 0.0
        assert all(stop.intersection(c).area < 1e-6 for c in geometry.polygons('ped_crossing'))


def test_walkways_leave_the_road_free_and_bays_join_it(geometry: MapGeometry):
    drivable = unary_union(geometry.polygons('drivable_area'))
    overlap = unary_union(geometry.polygons('walkway')).intersection(drivable)
    assert overlap.buffer(-0.04).is_empty
    assert geometry.polygons('carpark_area')
    for bay in geometry.polygons('carpark_area'):
        assert bay.intersection(drivable).area > 0.97 * bay.area


def test_road_dividers_part_directions_and_lane_dividers_do_not(town: dict, geometry: MapGeometry):
    """Lane centre lines on both sides of a road divider run against each other, beside a lane divider they agree."""
    graph = LaneGraph(town)
    lines = [graph.line(lane) for lane in graph.lanes]
    points = np.concatenate(lines)
    yaw = np.concatenate([curves.headings(line) for line in lines])
    for layer, sign in (('road_divider', -1), ('lane_divider', 1)):
        for divider in geometry.lines(layer):
            line = np.asarray(divider.coords)
            if divider.length < 10.0:
                continue
            middle = curves.point_at(line, divider.length / 2)
            ahead = curves.point_at(line, divider.length / 2 + 0.5) - middle
            left = np.array([-ahead[1], ahead[0]]) / np.linalg.norm(ahead)
            near = [int(np.argmin(np.linalg.norm(points - middle - side * 1.6 * left, axis=1))) for side in (-1, 1)]
            assert np.sign(np.cos(yaw[near[0]] - yaw[near[1]])) == sign


def test_traffic_keeps_left():
    profile = RoadProfile(2, 1, 3.0, 0.5, 'NIL', 'NIL', (2.0, 2.0))
    assert profile.half_width == 5.0
    assert profile.lanes(1) == [(4.5, 1.5), (1.5, -1.5)]
    assert profile.lanes(-1) == [(-1.5, -4.5)]
    assert profile.lane_dividers() == [1.5]
    assert profile.road_divider() == -1.5


def test_every_lane_leads_on_and_its_arclines_follow_its_polygon(town: dict, geometry: MapGeometry):
    lanes = {record['token']: record for record in town['lane']}
    for token, record in lanes.items():
        assert town['connectivity'][token]['outgoing']
        path = np.array(discretize_lane(town['arcline_path_3'][token], 1.0))[:, :2]
        assert LineString(path).difference(geometry.polygon(record['polygon_token']).buffer(0.1)).length == 0.0
    for record in town['lane_connector']:
        ends = town['connectivity'][record['token']]
        start = np.array(town['arcline_path_3'][ends['incoming'][0]][-1]['end_pose'])
        begin = np.array(town['arcline_path_3'][record['token']][0]['start_pose'])
        assert np.hypot(*(start - begin)[:2]) < 0.05
        assert abs(np.sin(start[2] - begin[2])) < 0.1


def test_devkit_reads_every_layer(town: dict, tmp_path: Path):
    write_map(town, tmp_path / 'maps' / 'expansion' / 'boston-seaport.json')
    devkit_map = NuScenesMap(str(tmp_path), 'boston-seaport')
    layers = [name for name in devkit_map.non_geometric_layers if name != 'traffic_light']
    width, height = town['canvas_edge']
    shapes = dict(devkit_map.get_map_geom((width / 2, height / 2, height, width), 0.0, layers))
    assert all(len(shapes[layer]) == len(town[layer]) for layer in layers)
    assert devkit_map.get_closest_lane(*town['arcline_path_3'][town['lane'][0]['token']][0]['start_pose'][:2])
    assert set(town['connectivity']) == set(town['arcline_path_3'])


def test_arclines_describe_a_quarter_circle():
    angle = np.linspace(0, np.pi / 2, 200)
    path = curves.to_arclines(20.0 * np.column_stack([np.sin(angle), 1 - np.cos(angle)]))
    assert {p['shape'] for p in path} == {'LSL'}
    assert np.allclose([p['radius'] for p in path[1:-1]], 20.0, rtol=0.02)
    end = discretize_lane(path, 0.5)[-1]
    assert np.allclose(end[:2], [20.0, 20.0], atol=0.1)


def test_a_follower_stops_behind_who_stands():
    path = np.column_stack([np.linspace(0, 200, 401), np.zeros(401)])
    standing = Mover(path[100:], 0.01, (4.0, 2.0, 1.5), 'vehicle.car')
    driver = Mover(path, 10.0, (4.0, 2.0, 1.5), 'vehicle.car')
    simulate([standing, driver], 20.0)
    gap = standing.pose_at(20.0)[0][0] - driver.pose_at(20.0)[0][0] - 4.0
    assert 0.5 < gap < 6.0


def test_files_that_are_no_map_are_refused(town: dict, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r'none\.json'):
        read_map(tmp_path / 'none.json')
    path = tmp_path / 'map.json'
    path.write_text('{')
    with pytest.raises(ValueError, match='not JSON'):
        read_map(path)
    path.write_text(json.dumps({k: v for k, v in town.items() if k != 'lane'}))
    with pytest.raises(ValueError, match=r"lacks \['lane'\]"):
        read_map(path)
