import json
import pickle
import shutil

import cv2
import numpy as np
import pytest
from tiny_nuscenes import VERSION, write_tiny_root

from ssl_bev.datasets.bev_label_files import read_label_manifest, write_label
from ssl_bev.datasets.calibration import frame_cameras, frame_poses
from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation import create_infos
from ssl_bev.preparation.create_infos import create_data
from ssl_bev.preparation.nuscenes_tables import NuScenesTables
from ssl_bev.preparation.staging import staging_folder

EMPTY = {'show_progress': False}


def load(folder, split='train'):
    return pickle.loads((folder / f'ssl_bev_infos_{split}.pkl').read_bytes())


@pytest.fixture
def own_root(tmp_path):
    return write_tiny_root(tmp_path / 'root')


def test_frames_are_linked(tiny_data):
    content = load(tiny_data)
    assert content['metainfo']['ssl_bev_schema'] == 1
    assert content['metainfo']['categories']['barrier'] == 9
    frames = content['data_list']
    assert [f['scene_name'] for f in frames] == ['scene-0061'] * 3 + ['scene-0553'] * 3
    assert [f['frame_index'] for f in frames] == [0, 1, 2] * 2
    assert [f['sample_idx'] for f in frames] == list(range(6))
    assert (frames[0]['prev'], frames[0]['next'], frames[2]['next']) == ('', 'scene-0061-sample1', '')
    assert frames[0]['location'] == 'singapore-onenorth'
    assert frames[1]['images']['CAM_BACK']['img_path'] == 'samples/CAM_BACK/scene-0061-CAM_BACK-3.jpg'
    assert (frames[1]['images']['CAM_BACK']['height'], frames[1]['images']['CAM_BACK']['width']) == (48, 96)
    assert [f['scene_name'] for f in load(tiny_data, 'val')['data_list']] == ['scene-0103'] * 3


def test_cameras_know_the_motion_between_trigger_and_lidar(tiny_data):
    """CAM_FRONT fires 30 ms before the lidar at 10 m/s: it stood 0.3 m further back. Not so by cam2ego."""
    for frame in load(tiny_data)['data_list']:
        _, bev2cam = frame_cameras(frame, ['CAM_FRONT', 'CAM_BACK'], 'ego')
        # A point 11.5 m ahead of the ego origin and 2 m left, on the road.
        front = bev2cam[0] @ [11.5, 2, 0, 1]
        np.testing.assert_allclose(front[:3], [-2, 1.5, 11.5 - 1.5 + 0.3], atol=1e-9)
        np.testing.assert_allclose((bev2cam[1] @ [-8, 2, 0, 1])[:3], [2, 1.5, 8 - 0.2], atol=1e-9)


def test_lidar_frame_shows_the_same_points(tiny_data):
    frame = load(tiny_data)['data_list'][4]
    lidar2ego = np.array(frame['lidar_points']['lidar2ego'])
    point = np.array([8, 3, 0, 1.0])  # in the ego frame
    in_lidar = np.linalg.inv(lidar2ego) @ point
    (_, ego), (_, lidar) = (frame_cameras(frame, ['CAM_FRONT'], name) for name in ('ego', 'lidar'))
    np.testing.assert_allclose(ego[0] @ point, lidar[0] @ in_lidar, atol=1e-9)
    (ego2global, road2ego), (lidar2global, road2lidar) = (frame_poses(frame, name) for name in ('ego', 'lidar'))
    np.testing.assert_allclose(ego2global @ point, lidar2global @ in_lidar, atol=1e-9)
    np.testing.assert_array_equal(road2ego, np.eye(4))
    assert road2lidar[2, 3] == pytest.approx(-1.84)
    # Ahead left of the ego car is at low x and high y of the lidar: x looks right, y forward.
    np.testing.assert_allclose(in_lidar[:3], [-3, 8 - 0.9, -1.84], atol=1e-9)


def test_sweeps_lie_between_their_keyframes(tiny_data):
    frames = load(tiny_data)['data_list']
    assert [len(f['sweeps']) for f in frames] == [2, 2, 0] * 2
    sweep = frames[3]['sweeps'][1]
    assert sweep['token'] == 'scene-0553-CAM_FRONT-2'
    assert not sweep['is_keyframe']
    assert frames[3]['timestamp'] < sweep['timestamp'] < frames[4]['timestamp']
    # Its pose is that of its CAM_FRONT image: 1/3 s less 30 ms along the way, heading +y.
    np.testing.assert_allclose(np.array(sweep['ego2global'])[:2, 3], [100, 100 + 10 * (1 / 3 - 0.03)], atol=1e-9)
    _, bev2cam = frame_cameras(sweep, ['CAM_FRONT', 'CAM_BACK'], 'ego')
    np.testing.assert_allclose((bev2cam[0] @ [11.5, 2, 0, 1])[:3], [-2, 1.5, 10], atol=1e-9)
    np.testing.assert_allclose((bev2cam[1] @ [-8, 2, 0, 1])[:3], [2, 1.5, 8 + 0.1], atol=1e-9)


def test_sweeps_are_spread_evenly(tiny_root, tmp_path):
    create_data(tiny_root, VERSION, tmp_path, max_sweeps=1, **EMPTY)
    assert [len(f['sweeps']) for f in load(tmp_path)['data_list']] == [1, 1, 0] * 2
    create_data(tiny_root, VERSION, tmp_path, max_sweeps=0, **EMPTY)
    assert not any(f['sweeps'] for f in load(tmp_path)['data_list'])


def test_boxes_follow_mmdet3d(tiny_data):
    """A car 10 m ahead moves as the ego car does: in the lidar frame ahead is y, and yaw is pi / 2."""
    for frame in load(tiny_data)['data_list']:
        (box,) = frame['instances']
        np.testing.assert_allclose(box['bbox_3d'], [0, 9.1, 0.8 - 1.84, 4.5, 1.9, 1.6, np.pi / 2], atol=1e-9)
        np.testing.assert_allclose(box['velocity'], [0, 10], atol=1e-6)
        assert box['bbox_label_3d'] == 0


def test_labels_at_each_pose(tiny_data):
    manifest = read_label_manifest(tiny_data / 'bev_labels')
    assert manifest['classes'] == ['drivable_area', 'lane_divider', 'road_divider', 'ped_crossing', 'stop_line']
    assert (manifest['line_width'], manifest['bev_frame'], manifest['version']) == (0.5, 'ego', VERSION)
    assert manifest['grid'].shape == (120, 240)
    labels = cv2.imread(str(tiny_data / 'bev_labels' / 'scene-0061-sample1.png'), cv2.IMREAD_UNCHANGED)
    assert labels.dtype == np.uint16
    # The car is 5 m further: the crossing at x = 115 .. 118 is 10 .. 13 m ahead, 20 m wide.
    crossing = (labels >> 3) & 1
    assert np.flatnonzero(crossing.any(0)).tolist() == list(range(160, 172))
    assert np.flatnonzero(crossing.any(1)).tolist() == list(range(20, 100))
    assert labels[60, 165] == 0b01001  # drivable and crossing, nothing else


def test_labels_only_needs_no_images(own_root, tmp_path):
    shutil.rmtree(own_root / 'samples')
    out = tmp_path / 'truth'
    grid = BEVGrid((-10, 10), (-5, 5), 0.5)
    assert create_data(own_root, VERSION, out, grid=grid, labels_only=True, **EMPTY) == {'train': 6, 'val': 3}
    assert sorted(p.name for p in out.iterdir()) == ['bev_labels']
    assert len(list((out / 'bev_labels').glob('*.png'))) == 9
    assert read_label_manifest(out / 'bev_labels')['grid'] == grid


def test_incomplete_scenes_are_left_out_and_reported(own_root, tmp_path, caplog):
    (own_root / 'samples' / 'CAM_BACK' / 'scene-0061-CAM_BACK-3.jpg').unlink()
    (own_root / 'sweeps' / 'CAM_BACK' / 'scene-0553-CAM_BACK-1.jpg').unlink()
    assert create_data(own_root, VERSION, tmp_path / 'out', **EMPTY) == {'train': 3, 'val': 3}
    assert [len(f['sweeps']) for f in load(tmp_path / 'out')['data_list']] == [1, 2, 0]
    assert '1 scenes left out, as images are missing: scene-0061' in caplog.text
    assert '1 sweep images are missing' in caplog.text
    shutil.rmtree(own_root / 'samples')
    with pytest.raises(FileNotFoundError, match=r'no scene of v1.0-mini whose images are all there'):
        create_data(own_root, VERSION, tmp_path / 'other', **EMPTY)
    assert not (tmp_path / 'other').exists()


def test_a_failed_run_leaves_what_was_there(own_root, tmp_path):
    out = tmp_path / 'out'
    create_data(own_root, VERSION, out, **EMPTY)
    before = {path: path.read_bytes() for path in out.rglob('*') if path.is_file()}
    (own_root / 'maps' / 'expansion' / 'singapore-onenorth.json').unlink()
    with pytest.raises(FileNotFoundError, match=r'singapore-onenorth.json; unpack the nuScenes map expansion'):
        create_data(own_root, VERSION, out, line_width=0.3, **EMPTY)
    assert {path: path.read_bytes() for path in out.rglob('*') if path.is_file()} == before
    assert sorted(p.name for p in out.iterdir()) == ['bev_labels', 'ssl_bev_infos_train.pkl', 'ssl_bev_infos_val.pkl']


def test_wrong_roots(own_root, tmp_path):
    out = tmp_path / 'out'
    with pytest.raises(FileNotFoundError, match=r'--data-root: no folder .*nowhere'):
        create_data(tmp_path / 'nowhere', VERSION, out, **EMPTY)
    with pytest.raises(FileNotFoundError, match=r"--version: .* no tables 'v1.0-trainval'; versions there: v1.0-mini"):
        create_data(own_root, 'v1.0-trainval', out, **EMPTY)
    table = own_root / VERSION / 'ego_pose.json'
    table.write_text('[')
    with pytest.raises(ValueError, match=r'table .*ego_pose.json is no JSON'):
        create_data(own_root, VERSION, out, **EMPTY)
    table.unlink()
    with pytest.raises(FileNotFoundError, match=r'--data-root: table not found: .*ego_pose.json'):
        create_data(own_root, VERSION, out, **EMPTY)
    assert not out.exists()


def test_broken_links_and_foreign_scenes(own_root, tmp_path):
    scenes = own_root / VERSION / 'scene.json'
    records = json.loads(scenes.read_text())
    scenes.write_text(json.dumps([{**r, 'name': 'scene-x'} for r in records]))
    with pytest.raises(ValueError, match=r"is in the official splits \['mini_train', 'mini_val'\]; .*'scene-x'"):
        create_data(own_root, VERSION, tmp_path / 'out', **EMPTY)
    scenes.write_text(json.dumps([{**r, 'first_sample_token': 'gone'} for r in records]))
    with pytest.raises(ValueError, match="table sample has no record 'gone'"):
        create_data(own_root, VERSION, tmp_path / 'out', **EMPTY)


def test_a_foreign_folder_is_not_replaced(tiny_root, tmp_path):
    (tmp_path / 'bev_labels').mkdir()
    (tmp_path / 'bev_labels' / 'thesis.txt').write_text('mine')
    with pytest.raises(ValueError, match=r'--out: .*bev_labels exists and holds something else'):
        create_data(tiny_root, VERSION, tmp_path, **EMPTY)
    assert (tmp_path / 'bev_labels' / 'thesis.txt').read_text() == 'mine'


def test_an_interrupted_run_goes_on(own_root, tmp_path, monkeypatch):
    """The labels that were drawn before the interrupt are not drawn again; other inputs start anew."""
    written = []

    def write(folder, token, masks):
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(token)
        write_label(folder, token, masks)

    out = tmp_path / 'out'
    monkeypatch.setattr(create_infos, 'write_label', write)
    with pytest.raises(KeyboardInterrupt):
        create_data(own_root, VERSION, out, **EMPTY)
    assert [path.name for path in out.iterdir()] == ['.create_data']
    before = list(written)
    monkeypatch.setattr(create_infos, 'write_label', lambda *args: (written.append(args[1]), write_label(*args)))
    written.clear()
    create_data(own_root, VERSION, out, **EMPTY)
    assert len(written) == 4
    assert not set(written) & set(before)
    assert sorted(p.name for p in out.iterdir()) == ['bev_labels', 'ssl_bev_infos_train.pkl', 'ssl_bev_infos_val.pkl']
    whole = tmp_path / 'whole'
    create_data(own_root, VERSION, whole, **EMPTY)
    for path in (whole / 'bev_labels').iterdir():
        assert path.read_bytes() == (out / 'bev_labels' / path.name).read_bytes()

    (out / '.create_data').mkdir()
    (out / '.create_data' / 'inputs.json').write_text('{"line_width": 9}')
    (out / '.create_data' / 'bev_labels').mkdir()
    (out / '.create_data' / 'bev_labels' / 'scene-0061-sample0.png').write_bytes(b'of other inputs')
    create_data(own_root, VERSION, out, **EMPTY)
    label = 'bev_labels/scene-0061-sample0.png'
    assert (out / label).read_bytes() == (whole / label).read_bytes()


def test_two_runs_at_once_are_refused(tiny_root, tmp_path):
    with (
        staging_folder(tmp_path, '.create_data', {}),
        pytest.raises(ValueError, match='--out: another run is writing to'),
    ):
        create_data(tiny_root, VERSION, tmp_path, **EMPTY)
    assert list(tmp_path.iterdir()) == []


def test_scenes_that_are_known_to_be_bad_can_be_left_out(own_root, tmp_path, caplog):
    scenes = own_root / VERSION / 'scene.json'
    records = json.loads(scenes.read_text())
    (own_root / VERSION).rename(own_root / 'v1.0-trainval')
    scenes = own_root / 'v1.0-trainval' / 'scene.json'
    names = {'scene-0061': 'scene-0499', 'scene-0553': 'scene-0001', 'scene-0103': 'scene-0003'}
    scenes.write_text(json.dumps([{**r, 'name': names[r['name']]} for r in records]))
    assert create_data(own_root, 'v1.0-trainval', tmp_path, **EMPTY) == {'train': 6, 'val': 3}
    assert 'known to leave the road; --exclude-scenes scene-0499' in caplog.text
    caplog.clear()
    excluded = ['scene-0499', 'scene-0501', 'scene-0103-token']
    assert create_data(own_root, 'v1.0-trainval', tmp_path, exclude_scenes=excluded, **EMPTY) == {'train': 3, 'val': 0}
    assert 'leave the road' not in caplog.text
    with pytest.raises(ValueError, match='--exclude-scenes: no scene of nuScenes is called scene-499'):
        create_data(own_root, 'v1.0-trainval', tmp_path, exclude_scenes=['scene-499'], **EMPTY)


def test_all_missing_maps_are_named_at_once(own_root, tmp_path):
    logs = own_root / VERSION / 'log.json'
    logs.write_text(
        json.dumps([{'token': 'log', 'location': 'boston-seaport'}, {'token': 'two', 'location': 'x-town'}])
    )
    scenes = own_root / VERSION / 'scene.json'
    first, *others = json.loads(scenes.read_text())
    scenes.write_text(json.dumps([{**first, 'log_token': 'two'}, *others]))
    with pytest.raises(FileNotFoundError, match=r'expansion/boston-seaport.json, .*expansion/x-town.json; unpack'):
        create_data(own_root, VERSION, tmp_path / 'out', **EMPTY)


def test_radars_and_lidar_sweeps_are_not_kept(own_root):
    """Nor are camera sweeps and poses that nobody needs."""
    table = own_root / VERSION / 'sample_data.json'
    records = json.loads(table.read_text())
    sensors = own_root / VERSION / 'sensor.json'
    sensors.write_text(json.dumps([*json.loads(sensors.read_text()), {'token': 'r', 'channel': 'RADAR_FRONT'}]))
    calibrated = own_root / VERSION / 'calibrated_sensor.json'
    calibrated.write_text(json.dumps([*json.loads(calibrated.read_text()), {'token': 'cr', 'sensor_token': 'r'}]))
    radar = {**records[0], 'token': 'radar', 'calibrated_sensor_token': 'cr'}
    table.write_text(json.dumps([*records, radar]))
    tables = NuScenesTables(own_root, VERSION)
    # 3 scenes of 3 keyframes of 3 sensors, and 2 x 2 sweeps of 2 cameras.
    assert len(tables.records['sample_data']) == len(tables.records['ego_pose']) == 3 * (9 + 8)
    assert set(tables.keyframe_data['scene-0061-sample0']) == {'CAM_FRONT', 'CAM_BACK', 'LIDAR_TOP'}
    assert len(NuScenesTables(own_root, VERSION, with_sweeps=False).records['sample_data']) == 27
    table.write_text(json.dumps([*records, {'token': 'short'}]))
    with pytest.raises(
        ValueError,
        match=r"no list of sample_data records of nuScenes: entry [0-9]+, token 'short', lacks .*'is_key_frame'",
    ):
        NuScenesTables(own_root, VERSION)
