"""What is described in a drives file reaches training as it would from nuScenes."""

import shutil

import numpy as np
import own_drive
import pytest

from ssl_bev.datasets import (
    BEVDataset,
    LoadBEVImages,
    PackBEVInputs,
    ResizeCropFlipImages,
)
from ssl_bev.datasets.calibration import frame_cameras, frame_poses, window_calibration
from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.preparation.checks import check_data
from ssl_bev.preparation.own_data import (
    create_own_data,
    pose,
    write_drives,
)

FRONT = {'front': (48, 64)}


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
def root(tiny_root, tiny_data, tmp_path_factory):
    """The tiny root with the lidar files of its keyframes."""
    root = shutil.copytree(tiny_root, tmp_path_factory.mktemp('lidar') / 'root')
    (root / 'samples' / 'LIDAR_TOP').mkdir()
    for split in ('train', 'val'):
        for frame in read_info_file(tiny_data / f'ssl_bev_infos_{split}.pkl')['data_list']:
            np.ones((2, 5), np.float32).tofile(root / frame['lidar_points']['lidar_path'])
    return root


@pytest.fixture(scope='module')
def again(root, tiny_data, tmp_path_factory):
    out = tmp_path_factory.mktemp('again')
    write_drives(out / 'drives.jsonl', exported(tiny_data))
    assert create_own_data(root, [out / 'drives.jsonl'], out, show_progress=False) == {'train': 6, 'val': 3}
    return out


@pytest.mark.parametrize('bev_frame', ['ego', 'lidar'])
@pytest.mark.parametrize('frames', ['keyframes', 'all'])
def test_nuscenes_through_a_drives_file_is_the_same(tiny_root, tiny_data, again, frames, bev_frame):
    arguments = dict(data_root=str(tiny_root), num_frames=3, frames=frames, bev_frame=bev_frame, with_labels=False)
    files = [own_drive.INFOS, own_drive.INFOS.replace('train', 'val')]
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


def test_checks_find_nothing_in_it(root, again):
    files = [again / own_drive.INFOS, again / own_drive.INFOS.replace('train', 'val')]
    report = check_data(root, files, with_sweeps=True, show_progress=False)
    assert report.is_good, str(report)
    assert not report.warnings, str(report)


def test_without_lidar_the_vehicle_is_the_reference(tmp_path):
    frames = own_drive.create(tmp_path, own_drive.drive(FRONT))
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
    frames = own_drive.create(tmp_path, lines)
    np.testing.assert_array_equal(np.array(frames[0]['images']['front']['cam2img'])[:2, 2], [32.5, 24.5])


@pytest.mark.parametrize('count', [1, 8])
def test_rigs(tmp_path, count):
    """One camera, and eight of four sizes, of which some frames lack some."""
    sizes = {f'camera{n}': (40 + 8 * (n % 4), 64 + 16 * (n % 4)) for n in range(count)}
    lines = own_drive.drive(sizes)
    if count > 1:
        del lines[4]['images']['camera0'], lines[4]['images']['camera5']
    own_drive.create(tmp_path, lines)
    pipeline = [LoadBEVImages(), ResizeCropFlipImages((32, 64), training=False), PackBEVInputs()]
    samples = list(own_drive.dataset(tmp_path, pipeline, num_frames=2))
    assert [tuple(sample['inputs']['img'].shape) for sample in samples] == 4 * [(2, count, 3, 32, 64)]
    report = check_data(tmp_path, [tmp_path / own_drive.INFOS], show_progress=False)
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
    own_drive.create(tmp_path, own_drive.drive({'front': (48, 64), 'back': (32, 64)}))
    with pytest.raises(ValueError, match=r'drive-0 must have one size, .*\[\(32, 64\), \(48, 64\)\]; put Resize'):
        own_drive.dataset(tmp_path, [LoadBEVImages(), PackBEVInputs()])[0]
