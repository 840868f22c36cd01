"""What is described in a drives file reaches training as it would from nuScenes."""

import json

import cv2
import numpy as np
import own_drive
import pytest

from ssl_bev.datasets import BEVDataset, LoadBEVImages, LoadBEVMasks, PackBEVInputs, ResizeCropFlipImages
from ssl_bev.datasets.bev_label_files import read_label, read_label_manifest
from ssl_bev.datasets.calibration import frame_cameras, frame_poses, window_calibration
from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation.checks import check_data
from ssl_bev.preparation.own_data import (
    LabelRaster,
    create_own_data,
    pose,
    read_label_raster,
    write_drives,
    write_label_raster,
)

INFOS = 'ssl_bev_infos_train.pkl'
FRONT = {'front': (48, 64)}


def create(root, lines, **arguments):
    """Info file and labels beside the images; returns the frames."""
    file = own_drive.write(root, lines)
    create_own_data(root, [file], root, show_progress=False, **arguments)
    return read_info_file(root / INFOS)['data_list']


def dataset(root, pipeline=(), **arguments):
    return BEVDataset(INFOS, list(pipeline), data_root=str(root), **{'with_labels': False} | arguments)


# Round trip of nuScenes.
def exported(infos):
    """The lines of a drives file that say what info files of nuScenes say."""
    frames = [
        frame
        for split in ('train', 'val')
        for frame in read_info_file(infos / f'ssl_bev_infos_{split}.pkl')['data_list']
    ]
    first = frames[0]
    yield own_drive.FORMAT | {'dataset': 'tiny'}
    cameras = {
        name: {
            'width': camera['width'],
            'height': camera['height'],
            'intrinsics': dict(
                zip(('fx', 'cx', 'fy', 'cy'), np.array(camera['cam2img'])[[0, 0, 1, 1], [0, 2, 1, 2]], strict=True)
            ),
            'camera_to_vehicle': pose(np.array(camera['cam2ego'])),
        }
        for name, camera in first['images'].items()
    }
    lidar = {'lidar_to_vehicle': pose(np.array(first['lidar_points']['lidar2ego'])), 'num_features': 5}
    yield {'type': 'rig', 'name': 'car', 'cameras': cameras, 'lidar': lidar}
    for keyframe in frames:
        if not keyframe['frame_index']:
            split = 'val' if keyframe['scene_name'] == 'scene-0103' else 'train'
            yield {'type': 'scene', 'name': keyframe['scene_name'], 'rig': 'car', 'split': split}
        for frame in (keyframe, *keyframe['sweeps']):
            ego2global, lidar2ego = np.array(frame['ego2global']), np.array(frame['lidar_points']['lidar2ego'])
            yield {
                'type': 'frame',
                'token': frame['token'],
                'scene': frame['scene_name'],
                'timestamp': frame['timestamp'],
                'vehicle_to_world': pose(ego2global),
                'is_keyframe': frame['is_keyframe'],
                'images': {
                    name: {
                        'path': camera['img_path'],
                        'timestamp': camera['timestamp'],
                        'vehicle_to_world': pose(
                            ego2global
                            @ lidar2ego
                            @ np.linalg.inv(camera['lidar2cam'])
                            @ np.linalg.inv(camera['cam2ego'])
                        ),
                    }
                    for name, camera in frame['images'].items()
                },
                **({'lidar': path} if (path := frame['lidar_points']['lidar_path']) else {}),
            }


@pytest.fixture(scope='module')
def again(tiny_root, tiny_data, tmp_path_factory):
    out = tmp_path_factory.mktemp('again')
    write_drives(out / 'drives.jsonl', exported(tiny_data))
    assert create_own_data(tiny_root, [out / 'drives.jsonl'], out, show_progress=False) == {'train': 6, 'val': 3}
    return out


@pytest.mark.parametrize('bev_frame', ['ego', 'lidar'])
@pytest.mark.parametrize('frames', ['keyframes', 'all'])
def test_nuscenes_through_a_drives_file_is_the_same(tiny_root, tiny_data, again, frames, bev_frame):
    arguments = dict(data_root=str(tiny_root), num_frames=3, frames=frames, bev_frame=bev_frame, with_labels=False)
    files = [INFOS, INFOS.replace('train', 'val')]
    one, other = (BEVDataset(files, [], info_root=str(infos), **arguments) for infos in (tiny_data, again))
    assert len(one) == len(other) == (9 if frames == 'keyframes' else 9 + 3 * 4)
    assert one.camera_names == other.camera_names
    for expected, found in zip(one, other, strict=True):
        assert found['frame_valid'] == expected['frame_valid']
        for a, b in zip(expected['frames'], found['frames'], strict=True):
            same = ('token', 'timestamp', 'scene_name', 'frame_index', 'prev', 'next', 'is_keyframe')
            assert {key: b[key] for key in same} == {key: a[key] for key in same}
            assert b['lidar_points']['lidar_path'] == a['lidar_points']['lidar_path']
            for camera, image in a['images'].items():
                assert {key: b['images'][camera][key] for key in ('img_path', 'height', 'width', 'timestamp')} == {
                    key: image[key] for key in ('img_path', 'height', 'width', 'timestamp')
                }
        matrices = (window_calibration(w['frames'], w['camera_names'], bev_frame) for w in (expected, found))
        for (name, a), b in zip(*(m.items() if i == 0 else m.values() for i, m in enumerate(matrices)), strict=True):
            np.testing.assert_allclose(b, a, atol=1e-9, err_msg=name)


def test_checks_find_nothing_in_it(tiny_root, again):
    files = [again / INFOS, again / INFOS.replace('train', 'val')]
    report = check_data(tiny_root, files, with_sweeps=True, show_progress=False)
    assert report.is_good, str(report)
    assert not report.warnings, str(report)


# Vehicles without lidar, and rigs of all kinds.
def test_without_lidar_the_vehicle_is_the_reference(tmp_path):
    frames = create(tmp_path, own_drive.drive(FRONT))
    assert 'lidar_points' not in frames[1]
    cam2img, bev2cam = frame_cameras(frames[1], ['front'], 'ego')
    bev2global, road2bev = frame_poses(frames[1], 'ego')
    # 10.5 m ahead and 2 m to the left, on the road; the camera stands 0.5 m ahead of the origin, 1.5 m high.
    np.testing.assert_allclose(bev2cam[0] @ [10.5, 2, 0, 1], [-2, 1.5, 10, 1], atol=1e-12)
    np.testing.assert_allclose(bev2global @ [10.5, 2, 0, 1], [12.5, 2, 0, 1], atol=1e-12)
    np.testing.assert_array_equal(road2bev, np.eye(4))
    np.testing.assert_array_equal(cam2img[0, :3, :3], [[38.4, 0, 32], [0, 38.4, 24], [0, 0, 1]])
    for function in (frame_poses, lambda frame, bev_frame: frame_cameras(frame, ['front'], bev_frame)):
        with pytest.raises(ValueError, match="frame drive-1 has no lidar; use bev_frame='ego'"):
            function(frames[1], 'lidar')


def test_whole_numbers_at_pixel_centres(tmp_path):
    lines = own_drive.drive(FRONT)
    lines[0]['pixel_centers'] = 'integer'
    frames = create(tmp_path, lines)
    np.testing.assert_array_equal(np.array(frames[0]['images']['front']['cam2img'])[:2, 2], [32.5, 24.5])


@pytest.mark.parametrize('count', [1, 8])
def test_rigs(tmp_path, count):
    """One camera, and eight of four sizes, of which some frames lack some."""
    sizes = {f'camera{n}': (40 + 8 * (n % 4), 64 + 16 * (n % 4)) for n in range(count)}
    lines = own_drive.drive(sizes)
    if count > 1:
        del lines[4]['images']['camera0'], lines[4]['images']['camera5']
    create(tmp_path, lines)
    pipeline = [LoadBEVImages(), ResizeCropFlipImages((32, 64), training=False), PackBEVInputs()]
    samples = list(dataset(tmp_path, pipeline, num_frames=2))
    assert [tuple(sample['inputs']['img'].shape) for sample in samples] == 4 * [(2, count, 3, 32, 64)]
    report = check_data(tmp_path, [tmp_path / INFOS], show_progress=False)
    assert report.is_good, str(report)
    valid = samples[1]['data_samples'].camera_valid
    assert valid[0].all()
    assert valid[1].tolist() == [n not in ((0, 5) if count > 1 else ()) for n in range(count)]
    # A point 10 m before each camera lies in the middle of its picture, whatever its size was.
    for n, bev2img in enumerate(samples[0]['data_samples'].bev2img[1].double().numpy()):
        yaw = 2 * np.pi * n / count
        u, v, depth, _ = bev2img @ [10.5 * np.cos(yaw), 10.5 * np.sin(yaw), 1.5, 1]
        height, width = sizes[f'camera{n}']
        assert (u / depth, depth) == pytest.approx((32, 10), abs=1e-4)
        assert v / depth == pytest.approx(32 - round(height * 64 / width) / 2, abs=0.51)


def test_images_of_several_sizes_must_be_resized(tmp_path):
    create(tmp_path, own_drive.drive({'front': (48, 64), 'back': (32, 64)}))
    with pytest.raises(ValueError, match=r'drive-0 must have one size, .*\[\(32, 64\), \(48, 64\)\]; put Resize'):
        dataset(tmp_path, [LoadBEVImages(), PackBEVInputs()])[0]


# Frames and time.
def test_every_nth_frame_with_sweeps_between(tmp_path):
    lines = own_drive.drive(FRONT, count=10)
    frames = create(tmp_path, lines, every=4, max_sweeps=2)
    assert [frame['token'] for frame in frames] == ['drive-0', 'drive-4', 'drive-8']
    assert [[s['token'] for s in frame['sweeps']] for frame in frames] == [
        ['drive-1', 'drive-3'],
        ['drive-5', 'drive-7'],
        [],
    ]
    assert (frames[1]['prev'], frames[1]['next'], frames[1]['frame_index']) == ('drive-0', 'drive-8', 1)
    sweep = frames[1]['sweeps'][0]
    assert (sweep['prev'], sweep['next'], sweep['is_keyframe']) == ('drive-4', 'drive-8', False)
    windows = dataset(tmp_path, num_frames=2, frames='all')
    assert [f['token'] for f in windows[3]['frames']] == ['drive-3', 'drive-4']
    report = check_data(tmp_path, [tmp_path / INFOS], with_sweeps=True, show_progress=False)
    assert report.is_good, str(report)


def test_least_distance_and_marks(tmp_path, caplog):
    """At 2 m a step, every frame but the first and those that are marked as no keyframes."""
    lines = own_drive.drive(FRONT, count=10)
    for line in (lines[3], lines[6]):
        line['is_keyframe'] = False
    frames = create(tmp_path, lines, min_distance=3.9)
    assert [frame['token'] for frame in frames] == ['drive-1', 'drive-4', 'drive-6', 'drive-8']
    assert 'scene drive: 1 frames before its first keyframe are left out' in caplog.text
    assert [s['token'] for s in frames[0]['sweeps']] == ['drive-2', 'drive-3']


def test_images_have_their_own_time(tmp_path):
    """Taken 50 ms before its frame at 10 m/s, an image saw everything from half a metre further back."""
    lines = own_drive.drive(FRONT, count=3)
    for line in lines[3:]:
        line['images']['front']['timestamp'] = line['timestamp'] - 0.05
    frames = create(tmp_path, lines)
    for frame in frames:  # beyond the first frame, too
        _, bev2cam = frame_cameras(frame, ['front'], 'ego')
        np.testing.assert_allclose(bev2cam[0] @ [10.5, 2, 0, 1], [-2, 1.5, 10.5, 1], atol=1e-9)
    report = check_data(tmp_path, [tmp_path / INFOS], show_progress=False)
    assert report.is_good, str(report)


def test_turning_between_frames(tmp_path):
    lines = own_drive.drive(FRONT, count=2)
    turned = own_drive.vehicle(0.2)
    turned[:2, :2] = [[0, -1], [1, 0]]
    lines[4]['vehicle_to_world'] = pose(turned)
    lines[4]['images']['front']['timestamp'] = lines[4]['timestamp'] - 0.1
    frame = create(tmp_path, lines)[1]
    cam2global = frame_poses(frame, 'ego')[0] @ np.linalg.inv(frame_cameras(frame, ['front'], 'ego')[1][0])
    half = np.sqrt(0.5)
    np.testing.assert_allclose(cam2global[:3, 2], [half, half, 0], atol=1e-9)
    np.testing.assert_allclose(cam2global[:3, 3], [1 + 0.5 * half, 0.5 * half, 1.5], atol=1e-9)


@pytest.mark.parametrize(
    ('count', 'change', 'message'),
    [
        (
            1,
            0.1,
            'image front is unknown: the scene has a single frame, at 1000.0; give the image its vehicle_to_world',
        ),
        (3, -0.5, r'it is 0.50 s beyond the frames of the scene, at most 0.3 s'),
    ],
)
def test_times_without_a_pose(tmp_path, count, change, message):
    lines = own_drive.drive(FRONT, count=count)
    lines[3]['images']['front']['timestamp'] = lines[3]['timestamp'] + change
    with pytest.raises(ValueError, match=r"drives.jsonl, line 4 \(frame 'drive-0'\): the pose .*" + message):
        create(tmp_path, lines)
    lines[3]['images']['front']['vehicle_to_world'] = pose(own_drive.vehicle(0))
    create(tmp_path, lines)


def test_frames_too_far_apart(tmp_path):
    lines = own_drive.drive(FRONT, count=2)
    lines[4]['timestamp'] += 3
    lines[3]['images']['front']['timestamp'] = lines[3]['timestamp'] + 0.1
    with pytest.raises(ValueError, match=r'the frames around it are 3.2 s apart, at most 2 s are bridged'):
        create(tmp_path, lines)


def test_scenes_splits_and_files(tmp_path):
    lines = own_drive.drive(FRONT)
    second = [{**lines[2], 'name': 'night', 'split': 'val'}, *(own_drive.frame(i, FRONT, 'night') for i in range(3))]
    create(tmp_path, lines)
    more = own_drive.write(tmp_path / 'more', [*lines[:2], *second], with_images=False)
    own_drive.write(tmp_path, [*lines, *second])
    counts = create_own_data(tmp_path, [tmp_path / 'drives.jsonl'], tmp_path / 'one', show_progress=False)
    assert counts == {'train': 4, 'val': 3}
    own_drive.write(tmp_path, lines)
    counts = create_own_data(tmp_path, [tmp_path / 'drives.jsonl', more], tmp_path / 'two', show_progress=False)
    assert counts == {'train': 4, 'val': 3}
    name = INFOS.replace('train', 'val')
    assert (tmp_path / 'one' / name).read_bytes() == (tmp_path / 'two' / name).read_bytes()


# Labels.
GRID = BEVGrid((-4.0, 4.0), (-2.0, 2.0), 0.5)


def town():
    """Cells of 0.25 m: road at |y| < 1, unknown beyond x = 20, a line along y = 0.1, one cell wide."""
    layers = np.zeros((2, 40, 160), np.uint8)
    layers[0, 16:24] = 1
    layers[1, 20] = 1
    layers[:, :, 100:] = 255
    return LabelRaster(layers, ('drivable', 'marking'), frozenset(['marking']), -5.0, -5.0, 0.25)


@pytest.mark.parametrize('form', ['npz', 'lowest_y', 'highest_y'])
def test_labels_from_a_raster_of_the_world(tmp_path, form):
    lines = own_drive.drive(FRONT, count=14)
    raster = town()
    if form == 'npz':
        write_label_raster(tmp_path / 'town.npz', raster)
        lines[2]['label_raster'] = 'town.npz'
    else:
        values = np.where(raster.layers[0] == 255, 0, 1 + raster.layers[0] + raster.layers[1]).astype(np.uint8)
        cv2.imwrite(str(tmp_path / 'town.png'), values[::-1] if form == 'highest_y' else values)
        meanings = {'0': None, '1': [], '2': ['drivable'], '3': ['drivable', 'marking']}
        place = dict(x_min=-5, y_min=-5, resolution=0.25)
        content = dict(picture='town.png', first_row=form, lines=['marking'], values=meanings, **place)
        (tmp_path / 'town.json').write_text(json.dumps(content))
        lines[2]['label_raster'] = 'town.json'
    create(tmp_path, lines, grid=GRID)
    manifest = read_label_manifest(tmp_path / 'bev_labels')
    assert manifest['classes'] == ['drivable', 'marking'] and manifest['has_unknown']
    first = read_label(tmp_path / 'bev_labels', 'drive-1', manifest)
    np.testing.assert_array_equal(first[0], np.repeat([[0], [0], [1], [1], [1], [1], [0], [0]], 16, 1))
    np.testing.assert_array_equal(first[1], np.repeat([[0], [0], [0], [0], [1], [0], [0], [0]], 16, 1))
    # At x = 18 the grid reaches to 22, and the raster knows up to 20.
    later = read_label(tmp_path / 'bev_labels', 'drive-9', manifest)
    assert (later[:, :, 12:] == 255).all() and (later[:, :, :12] != 255).all()
    sample = dataset(tmp_path, [LoadBEVMasks(classes=['marking'])], with_labels=True)[9]
    np.testing.assert_array_equal(sample['gt_bev_seg'], later[1:])
    report = check_data(tmp_path, [tmp_path / INFOS], [tmp_path / 'bev_labels'], full=True, show_progress=False)
    assert report.is_good, str(report)


def test_labels_turn_with_the_vehicle(tmp_path):
    write_label_raster(tmp_path / 'town.npz', town())
    lines = own_drive.drive(FRONT, count=1)
    lines[2]['label_raster'] = 'town.npz'
    left = own_drive.vehicle(0.5)
    left[:2, :2] = [[0, -1], [1, 0]]  # it looks along the world's y
    lines[3]['vehicle_to_world'] = pose(left)
    create(tmp_path, lines, grid=GRID)
    labels = read_label(tmp_path / 'bev_labels', 'drive-0', read_label_manifest(tmp_path / 'bev_labels'))
    assert np.flatnonzero(labels[0].all(0)).tolist() == [6, 7, 8, 9]
    assert np.flatnonzero(labels[1].all(0)).tolist() == [8]
    assert (labels == labels[:, :1]).all()


def test_a_raster_of_a_frame_goes_with_the_vehicle(tmp_path):
    """It is in the vehicle's frame, and goes before that of the scene; without any all is unknown."""
    write_label_raster(tmp_path / 'town.npz', town())
    lines = own_drive.drive(FRONT, count=3)
    lines[4]['label_raster'] = 'town.npz'
    create(tmp_path, lines, grid=GRID)
    manifest = read_label_manifest(tmp_path / 'bev_labels')
    labels = [read_label(tmp_path / 'bev_labels', f'drive-{index}', manifest) for index in range(3)]
    assert (labels[0] == 255).all() and (labels[2] == 255).all()
    assert labels[1][0].sum() == 4 * 16


def test_rasters_of_other_classes(tmp_path):
    raster = town()
    write_label_raster(tmp_path / 'town.npz', raster)
    write_label_raster(tmp_path / 'other.npz', raster._replace(classes=('marking', 'drivable')))
    lines = own_drive.drive(FRONT, count=3)
    lines[2]['label_raster'], lines[5]['label_raster'] = 'town.npz', 'other.npz'
    with pytest.raises(ValueError, match=r"other.npz has the classes \['marking', 'drivable'\], .*town.npz has"):
        create(tmp_path, lines)
    assert not (tmp_path / INFOS).exists() and not (tmp_path / 'bev_labels').exists()
    create(tmp_path, lines, infos_only=True)


def test_labels_alone_need_no_images(tmp_path):
    write_label_raster(tmp_path / 'town.npz', town())
    lines = own_drive.drive(FRONT)
    lines[2]['label_raster'] = 'town.npz'
    file = own_drive.write(tmp_path, lines, with_images=False)
    out = tmp_path / 'out'
    create_own_data(tmp_path, [file], out, labels_only=True, label_dir='fine', grid=GRID, show_progress=False)
    assert sorted(path.name for path in out.iterdir()) == ['fine']
    assert len(list((out / 'fine').glob('*.png'))) == 4


def test_raster_files_keep_everything(tmp_path):
    write_label_raster(tmp_path / 'town.npz', town())
    found = read_label_raster(tmp_path / 'town.npz')
    np.testing.assert_array_equal(found.layers, town().layers)
    assert found[1:] == town()[1:]
    assert not list(tmp_path.glob('.*'))
