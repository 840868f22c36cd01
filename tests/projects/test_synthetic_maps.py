"""Towns of maps without ``arcline_path_3``, rendered: where the car drives, what it sees, and what labels say."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from map_by_hand import map_by_hand
from nuscenes import NuScenes
from nuscenes.map_expansion.map_api import NuScenesMap

from projects.SyntheticNuScenes import create
from projects.SyntheticNuScenes.synthetic_nuscenes import curves
from projects.SyntheticNuScenes.synthetic_nuscenes.calibration import rigid
from projects.SyntheticNuScenes.synthetic_nuscenes.class_names import class_id
from projects.SyntheticNuScenes.synthetic_nuscenes.lane_graph import LaneGraph
from projects.SyntheticNuScenes.synthetic_nuscenes.map_expansion import MapContent, read_map, write_map
from ssl_bev.datasets.bev_label_files import label_path
from ssl_bev.files import read_ids, read_picture
from ssl_bev.preparation.create_infos import create_data

REAL = Path(os.environ.get('SSL_BEV_SHARED', '../shared')) / 'real' / 'nuscenes_mini_part' / 'maps' / 'expansion'
BESIDE_ROAD = [class_id(name) for name in ('Terrain', 'Sidewalk', 'Building', 'Curb', 'Vegetation', 'Sky')]


def by_hand() -> tuple[str, MapContent]:
    return 'hand', map_by_hand(gap=12.0)


def real() -> tuple[str, MapContent]:
    """A real town, its canvas cut to where it has roads: basemaps have 100 pixels a square metre."""
    return 'singapore-onenorth', read_map(REAL / 'singapore-onenorth.json') | {'canvas_edge': [700, 1500]}


needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f'no real nuScenes maps at {REAL}; set SSL_BEV_SHARED')
TOWNS = [pytest.param(by_hand, marks=pytest.mark.slow), pytest.param(real, marks=[pytest.mark.slow, needs_real])]


@pytest.fixture(scope='module', params=TOWNS, ids=['by hand', 'real'])
def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[MapContent, Path]:
    """A map and the dataset that the tool makes of it: one scene of four keyframes, in `out`, with labels in `data`."""
    folder = tmp_path_factory.mktemp('town')
    name, content = request.param()
    write_map(content, folder / f'{name}.json')
    arguments = ['--out', folder / 'out', '--map', folder / f'{name}.json', '--frames', 4, '--scenes', 1]
    arguments += ['--image-size', 64, 176, '--workers', 1, '--annotation-noise', 'nuscenes']
    create.main([str(a) for a in arguments])
    create_data(folder / 'out/truth', 'v1.0-mini', folder / 'data', max_sweeps=0, show_progress=False)
    return content, folder


def exact(folder: Path) -> NuScenes:
    return NuScenes('v1.0-mini', str(folder / 'out/truth'), verbose=False)


def pose_of(dataset: NuScenes, sample_data: dict) -> np.ndarray:
    record = dataset.get('ego_pose', sample_data['ego_pose_token'])
    return rigid(record['rotation'], record['translation'])


def test_the_car_follows_the_lanes(town: tuple[MapContent, Path]):
    content, folder = town
    dataset = exact(folder)
    graph = LaneGraph(content)
    lines = [graph.line(lane) for lane in graph.successors]
    points, yaw = np.concatenate(lines), np.concatenate([curves.headings(line) for line in lines])
    poses = np.array([pose_of(dataset, r) for r in sorted(dataset.sample_data, key=lambda r: r['timestamp'])])
    heading = np.arctan2(poses[:, 1, 0], poses[:, 0, 0])
    away = np.linalg.norm(points[None] - poses[:, None, :2, 3], axis=-1)
    on_lane = away.min(axis=1) < 0.5
    assert on_lane.mean() > 0.5, 'the rest crosses roads without lanes'
    assert np.cos(yaw[away.argmin(axis=1)] - heading)[on_lane].min() > np.cos(np.radians(8.0))
    step = np.diff(poses[:, :2, 3], axis=0)
    assert np.linalg.norm(step.sum(axis=0)) > 5.0
    assert np.abs(np.diff(np.unwrap(heading))).max() < 0.15
    along = (step * poses[:-1, :2, 0]).sum(axis=1)
    assert along.min() > -0.01 and np.abs(step - along[:, None] * poses[:-1, :2, 0]).max() < 0.15


def test_road_lies_ahead_of_the_car_in_images_and_labels(town: tuple[MapContent, Path]):
    _, folder = town
    dataset = exact(folder)
    ahead = np.column_stack([np.linspace(9, 17, 17), np.zeros(17), np.zeros(17), np.ones(17)]).T
    seen = []
    for sample in dataset.sample:
        picture = dataset.get('sample_data', sample['data']['CAM_FRONT'])
        sensor = dataset.get('calibrated_sensor', picture['calibrated_sensor_token'])
        camera = np.linalg.inv(rigid(sensor['rotation'], sensor['translation'])) @ ahead
        u, v = ((np.array(sensor['camera_intrinsic']) @ camera[:3])[:2] / camera[2]).astype(int)
        classes = read_ids(folder / 'out/oracle/labels/CAM_FRONT' / f'{Path(picture["filename"]).stem}.png')
        seen.append(classes[v, u])
        label = read_picture(label_path(folder / 'data/bev_labels', sample['token']), cv2.IMREAD_UNCHANGED)
        assert (label[60, 120:170] & 1).all(), 'drivable for 12 m straight ahead'
    assert not np.isin(seen, BESIDE_ROAD).any()


def test_the_devkit_opens_the_map(town: tuple[MapContent, Path]):
    _, folder = town
    devkit_map = NuScenesMap(str(folder / 'out'), exact(folder).log[0]['location'])
    assert len(devkit_map.lane) and devkit_map.get_closest_lane(0.0, 0.0, radius=1.0) == ''


def make_unusable(content: MapContent, what: str) -> None:
    if what == 'no lanes':
        content['lane'] = []
    elif what == 'no area':
        for polygon in content['polygon']:
            if polygon['token'] in {lane['polygon_token'] for lane in content['lane']}:
                polygon['exterior_node_tokens'] = polygon['exterior_node_tokens'][:2]
    elif what == 'no road':
        content['drivable_area'] = []
    else:
        content['lane'][1]['polygon_token'] = 'gone'


@pytest.mark.parametrize(
    ('what', 'message'),
    [
        ('no lanes', "the layer 'lane' is empty"),
        ('no area', 'none of its 5 lanes has an arcline_path_3, or a polygon with an area'),
        ('no road', "the layer 'drivable_area' has no area"),
        ('no polygon', "refers to the polygon 'gone', which it lacks"),
    ],
)
def test_maps_on_which_nothing_can_drive_say_what_is_missing(what: str, message: str, tmp_path: Path):
    content = map_by_hand()
    make_unusable(content, what)
    write_map(content, tmp_path / 'maps' / 'bad.json')
    arguments = ['--out', str(tmp_path / 'out'), '--map', str(tmp_path / 'maps' / 'bad.json'), '--scenes', '1']
    with pytest.raises(SystemExit) as stopped:
        create.main(arguments)
    assert 'bad.json' in str(stopped.value) and message in str(stopped.value)
    assert [path.name for path in tmp_path.iterdir()] == ['maps']
