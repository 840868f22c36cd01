"""The written dataset as the devkit sees it: tables, poses, calibration, boxes, lidar."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from nuscenes import NuScenes
from nuscenes.map_expansion.map_api import NuScenesMap
from nuscenes.utils.splits import create_splits_scenes
from shapely.geometry import Point

from projects.SyntheticNuScenes.synthetic_nuscenes import lidar
from projects.SyntheticNuScenes.synthetic_nuscenes.calibration import CAMERAS, LIDAR, check_image_size, rigid
from projects.SyntheticNuScenes.synthetic_nuscenes.map_expansion import MapGeometry, read_map
from projects.SyntheticNuScenes.synthetic_nuscenes.structures import Box
from projects.SyntheticNuScenes.synthetic_nuscenes.tables import TABLE_NAMES, quaternion
from projects.SyntheticNuScenes.synthetic_nuscenes.terrain import Terrain


def open_devkit(root: Path) -> NuScenes:
    return NuScenes('v1.0-mini', str(root), verbose=False)


@pytest.fixture(scope='module')
def dataset(exact_root: Path) -> NuScenes:
    return open_devkit(exact_root)


def ego_pose(dataset: NuScenes, sample_data_token: str) -> np.ndarray:
    record = dataset.get('ego_pose', dataset.get('sample_data', sample_data_token)['ego_pose_token'])
    return rigid(record['rotation'], record['translation'])


def test_scenes_have_official_names_and_splits_have_towns_of_their_own(dataset: NuScenes):
    splits = create_splits_scenes()
    places = {}
    for scene in dataset.scene:
        split = next(s for s in ('mini_train', 'mini_val') if scene['name'] in splits[s])
        places.setdefault(split, set()).add(dataset.get('log', scene['log_token'])['location'])
        assert scene['description'].startswith('synthetic, ')
    assert len(places) == 2 and not set.intersection(*places.values())


def test_links_lead_through_every_scene(dataset: NuScenes):
    for scene in dataset.scene:
        sample = dataset.get('sample', scene['first_sample_token'])
        token, seen = sample['data']['CAM_FRONT'], []
        while token:
            seen.append(dataset.get('sample_data', token))
            token = seen[-1]['next']
        assert [record['is_key_frame'] for record in seen] == [True, False, True]
        assert [record['filename'].split('/')[0] for record in seen] == ['samples', 'sweeps', 'samples']
        assert seen[1]['sample_token'] == seen[2]['sample_token'] == scene['last_sample_token']
        assert np.all(np.diff([record['timestamp'] for record in seen]) == 250_000)
        assert seen[-1]['filename'].split('__')[1:] == ['CAM_FRONT', f'{seen[-1]["timestamp"]}.jpg']


def test_every_file_is_there_and_pictures_have_the_stated_size(dataset: NuScenes, exact_root: Path):
    for record in dataset.sample_data:
        path = exact_root / record['filename']
        if record['sensor_modality'] == 'camera':
            assert cv2.imread(str(path)).shape == (record['height'], record['width'], 3) == (64, 176, 3)
            label = exact_root / 'oracle' / 'labels' / record['channel'] / f'{path.stem}.png'
            assert cv2.imread(str(label), cv2.IMREAD_UNCHANGED).shape == (64, 176)
        else:
            points = np.fromfile(path, np.float32).reshape(-1, 5)
            assert len(points) > 4000 and set(np.unique(points[:, 4])) <= set(range(32))


def test_oracle_manifest_counts_all_pictures(dataset: NuScenes, exact_root: Path):
    manifest = json.loads((exact_root / 'oracle' / 'manifest.json').read_text())
    pictures = [record for record in dataset.sample_data if record['sensor_modality'] == 'camera']
    assert manifest['teacher']['name'] == 'oracle'
    assert manifest['label_count'] == len(pictures) == 2 * 3 * 6
    assert manifest['image_sizes'] == [[64, 176]]


def test_cameras_fire_at_their_own_times_and_poses_follow_the_velocity(dataset: NuScenes):
    for sample in dataset.sample:
        times = {c: dataset.get('sample_data', t)['timestamp'] for c, t in sample['data'].items()}
        assert len(set(times.values())) == 7
        assert times['CAM_FRONT_LEFT'] < times['CAM_FRONT'] < times['CAM_BACK_LEFT'] < times['LIDAR_TOP']
    first, second = dataset.sample[0], dataset.sample[1]
    poses = [ego_pose(dataset, s['data']['LIDAR_TOP']) for s in (first, second)]
    speed = np.linalg.norm(poses[1][:2, 3] - poses[0][:2, 3]) / 0.5
    assert 2.0 < speed < 12.5
    early, late = (ego_pose(dataset, first['data'][c]) for c in ('CAM_FRONT_LEFT', 'LIDAR_TOP'))
    moved = np.linalg.inv(early) @ late
    assert moved[0, 3] == pytest.approx(speed * 0.0431, rel=0.25)
    assert abs(moved[1, 3]) < 0.05 and late[2, 3] == 0.0


def test_intrinsics_crop_the_top_and_scale_the_rest():
    model = CAMERAS['CAM_FRONT']
    full, small = model.cam2img(900, 1600), model.cam2img(128, 352)
    point = np.array([1.0, 1.2, 8.0])
    pixels = [(k @ point)[:2] / point[2] for k in (full, small)]
    assert np.allclose(pixels[0] * 0.22 - [0.0, 900 * 0.22 - 128], pixels[1])
    with pytest.raises(ValueError, match='at most 198 high'):
        check_image_size(200, 352)


def test_pictures_show_the_road_where_the_published_map_and_calibration_have_it(dataset: NuScenes, exact_root: Path):
    """What a camera sees of the map's drivable area is never drawn as sidewalk or grass."""
    names = json.loads((exact_root / 'oracle' / 'manifest.json').read_text())['class_names']
    off_road = {names.index(n) for n in ('Sidewalk', 'Terrain')}
    on_road = beside = 0
    for sample in dataset.sample:
        location = dataset.get('log', dataset.get('scene', sample['scene_token'])['log_token'])['location']
        town = MapGeometry(read_map(exact_root / 'maps' / 'expansion' / f'{location}.json'))
        drivable = town.polygons('drivable_area')
        record = dataset.get('sample_data', sample['data']['CAM_FRONT'])
        label = exact_root / 'oracle/labels/CAM_FRONT' / f'{Path(record["filename"]).stem}.png'
        classes = cv2.imread(str(label), cv2.IMREAD_UNCHANGED)
        mount = dataset.get('calibrated_sensor', record['calibrated_sensor_token'])
        camera = ego_pose(dataset, record['token']) @ rigid(mount['rotation'], mount['translation'])
        v, u = np.mgrid[44:64:2, 4:176:6]
        rays = np.linalg.inv(np.array(mount['camera_intrinsic'])) @ np.stack([u + 0.5, v + 0.5, u * 0 + 1.0]).reshape(
            3, -1
        )
        rays = camera[:3, :3] @ rays
        ground = (camera[:3, 3:] - rays * camera[2, 3] / rays[2])[:2].T
        for xy, i in zip(ground, classes[v, u].ravel(), strict=True):
            margin = [_signed_distance(area, xy) for area in drivable]
            if max(margin) > 0.3:
                on_road += 1
                beside += int(i) in off_road
                assert int(i) not in off_road or max(margin) < 0.5
    assert on_road > 50 and beside <= 0.02 * on_road


def _signed_distance(area, xy: np.ndarray) -> float:
    """Metres inside an area; negative outside."""
    point = Point(xy)
    distance = area.boundary.distance(point)
    return distance if area.contains(point) else -distance


def test_devkit_map_gives_every_layer_near_the_ego_car(dataset: NuScenes, exact_root: Path):
    for scene in dataset.scene:
        town = NuScenesMap(str(exact_root), dataset.get('log', scene['log_token'])['location'])
        x, y = ego_pose(dataset, dataset.get('sample', scene['first_sample_token'])['data']['LIDAR_TOP'])[:2, 3]
        layers = dict(town.get_map_geom((x, y, 60, 60), 0.0, town.non_geometric_layers))
        assert layers['drivable_area'] and layers['lane']


def test_semantic_prior_is_white_where_the_ego_car_drives(dataset: NuScenes):
    for sample in dataset.sample:
        log = dataset.get('log', dataset.get('scene', sample['scene_token'])['log_token'])
        prior = dataset.get('map', log['map_token'])['mask']
        x, y = ego_pose(dataset, sample['data']['LIDAR_TOP'])[:2, 3]
        assert prior.is_on_mask(x, y)[0] and not prior.is_on_mask(1.0, 1.0)[0]


def test_boxes_contain_their_lidar_points(dataset: NuScenes, exact_root: Path):
    sample = dataset.sample[0]
    path, boxes, _ = dataset.get_sample_data(sample['data']['LIDAR_TOP'])
    points = np.fromfile(path, np.float32).reshape(-1, 5)[:, :3]
    counts = {a['token']: a['num_lidar_pts'] for a in dataset.sample_annotation}
    assert len(boxes) > 3
    for box in boxes:
        local = (points - box.center) @ box.rotation_matrix
        inside = np.all(np.abs(local) < np.array(box.wlh)[[1, 0, 2]] / 2 + 0.12, axis=1)
        assert inside.sum() >= 0.9 * counts[box.token] > 0


def test_truth_has_the_same_tokens_and_other_poses(noisy_root: Path):
    published, exact = open_devkit(noisy_root), open_devkit(noisy_root / 'truth')
    for table in TABLE_NAMES:
        assert [r['token'] for r in getattr(published, table)] == [r['token'] for r in getattr(exact, table)]
    errors = [
        np.array(a['translation']) - np.array(b['translation'])
        for a, b in zip(published.ego_pose, exact.ego_pose, strict=True)
    ]
    assert (noisy_root / 'truth' / exact.sample_data[0]['filename']).samefile(
        noisy_root / published.sample_data[0]['filename']
    )
    assert 0.0 < np.abs(errors).max() < 0.5 and np.all(np.array(errors)[:, 2] == 0.0)


def test_without_noise_truth_equals_what_is_published(exact_root: Path):
    for path in sorted((exact_root / 'truth').rglob('*.json')):
        assert path.read_bytes() == (exact_root / path.relative_to(exact_root / 'truth')).read_bytes()


def test_lidar_sees_the_ground_and_what_hides_it():
    pose = LIDAR.sensor2ego
    wall = Box(np.array([10.0, 0.0, 1.5]), (1.0, 6.0, 3.0), 0.0, 'static.building', 0, (0.0, 0.0), 7)
    behind = Box(np.array([14.0, 0.0, 0.8]), (1.0, 2.0, 1.6), 0.0, 'vehicle.car', 0, (0.0, 0.0), 8)
    result = lidar.scan(pose, [wall, behind], Terrain('flat', 0), np.random.default_rng(0))
    points = result.points[:, :3] @ pose[:3, :3].T + pose[:3, 3]
    front = np.abs(points[:, 0] - 9.5) < 0.1
    assert result.hits[7] > 50 and front.sum() >= 0.9 * result.hits[7]
    assert result.reachable[8] > 0 and result.hits.get(8, 0) == 0
    assert np.abs(points[points[:, 2] < 0.0, 2]).max() < 0.1


def test_quaternions_survive_the_round_trip():
    for model in CAMERAS.values():
        pose = model.sensor2ego
        assert np.allclose(rigid(quaternion(pose[:3, :3]), model.translation), pose, atol=1e-6)
