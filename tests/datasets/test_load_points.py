import shutil

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate

from ssl_bev.datasets import (
    BEVDataPreprocessor,
    BEVFlipRotate,
    LoadBEVImages,
    LoadBEVPoints,
    LoadCalibration,
    LoadPseudoLabels,
    NuScenesBEVDataset,
    PackBEVInputs,
)
from ssl_bev.datasets.lidar_files import read_lidar
from ssl_bev.pseudo_labels import PseudoLabelWriter

# In the lidar frame (right, forward, up), intensity, ring. The lidar stands at (0.9, 0, 1.84) of the ego frame.
CLOUD = np.array([[0, 10, -1.84, 0.5, 3], [-2, 0, 0, 0.25, 7], [50, 0, 0, 1, 1]], np.float32)
IN_EGO = [[10.9, 0, 0, 0.5], [0.9, 2, 1.84, 0.25], [0.9, -50, 1.84, 1]]


@pytest.fixture
def root(tiny_root, tmp_path):
    """The tiny root with a lidar file for each keyframe; x of the last point counts them."""
    shutil.copytree(tiny_root / 'samples', tmp_path / 'samples')
    folder = tmp_path / 'samples' / 'LIDAR_TOP'
    folder.mkdir()
    for i in range(3):
        cloud = CLOUD[: 3 - i]
        cloud.tofile(folder / f'scene-0061-LIDAR_TOP-{3 * i}.jpg')
    return tmp_path


def dataset(tiny_data, root, pipeline, **arguments):
    settings = {'data_root': str(root), 'info_root': str(tiny_data), 'pipeline': pipeline} | arguments
    return NuScenesBEVDataset(ann_file='ssl_bev_infos_train.pkl', **settings)


def test_points_are_in_the_bev_frame(tiny_data, root):
    item = dataset(tiny_data, root, [LoadBEVPoints()])[0]
    assert len(item['points']) == 1 and item['points'][0].dtype == np.float32
    np.testing.assert_allclose(item['points'][0], IN_EGO, atol=1e-5)
    lidar = dataset(tiny_data, root, [LoadBEVPoints(use_dim=(0, 1, 2, 4, 3))], bev_frame='lidar', with_labels=False)[0]
    np.testing.assert_allclose(lidar['points'][0], CLOUD[:, [0, 1, 2, 4, 3]], atol=1e-6)


def test_each_frame_has_its_own_and_only_the_last_are_read(tiny_data, root):
    assert [len(p) for p in dataset(tiny_data, root, [LoadBEVPoints()], num_frames=3)[2]['points']] == [3, 2, 1]
    repeated = dataset(tiny_data, root, [LoadBEVPoints()], num_frames=3)[0]['points']
    assert [len(p) for p in repeated] == [3, 3, 3] and repeated[0] is repeated[1]
    (root / 'samples' / 'LIDAR_TOP' / 'scene-0061-LIDAR_TOP-0.jpg').unlink()
    last = dataset(tiny_data, root, [LoadBEVPoints(num_frames=2)], num_frames=3)[2]
    assert [len(p) for p in last['points']] == [2, 1]


def test_points_turn_with_the_frame(tiny_data, root):
    pipeline = [LoadCalibration(), LoadBEVPoints(), BEVFlipRotate(flip_x=1.0, flip_y=0.5, max_rotation=1.0)]
    before = dataset(tiny_data, root, pipeline[:2])[0]
    np.random.seed(0)  # noqa: NPY002  (what data workers seed)
    after = dataset(tiny_data, root, pipeline)[0]
    for item in (before, after):
        item['global'] = item['points'][0][:, :3] @ item['bev2global'][0, :3, :3].T + item['bev2global'][0, :3, 3]
    np.testing.assert_allclose(after['global'], before['global'], atol=1e-4)
    assert np.abs(after['points'][0] - before['points'][0]).max() > 1
    np.testing.assert_array_equal(after['points'][0][:, 3], before['points'][0][:, 3])


def test_calibration_is_that_of_the_images(tiny_data, tiny_root, tmp_path):
    """And no image is looked for."""
    loaded = dataset(tiny_data, tiny_root, [LoadBEVImages()], num_frames=2)[1]
    calibrated = dataset(tiny_data, tiny_root, [LoadCalibration()], num_frames=2)[1]
    assert 'img' not in calibrated and calibrated['img_shape'] == (48, 96)
    for key, value in calibrated.items():
        if key not in ('img_shape', 'shared_names'):
            np.testing.assert_array_equal(value, loaded[key], err_msg=key)
    elsewhere = dataset(tiny_data, tmp_path, [LoadCalibration()], num_frames=2)[1]
    np.testing.assert_array_equal(elsewhere['cam2img'], loaded['cam2img'])


def test_calibration_needs_sizes_and_cameras(tiny_data, tiny_root, tmp_path):
    def forget(results):
        for camera in results['frames'][0]['images'].values():
            del camera['height'], camera['width']
        return results

    assert dataset(tiny_data, tiny_root, [forget, LoadCalibration()])[0]['img_shape'] == (48, 96)
    with pytest.raises(FileNotFoundError, match=r'CAM_FRONT-0\.jpg'):
        dataset(tiny_data, tmp_path, [forget, LoadCalibration()])[0]

    def grow(results):
        results['frames'][0]['images']['CAM_BACK']['height'] = 50
        return results

    with pytest.raises(ValueError, match=r'scene-0061-sample0 must have one size.*\(48, 96\), \(50, 96\)'):
        dataset(tiny_data, tiny_root, [grow, LoadCalibration()])[0]

    def blind(results):
        results['frames'][0]['images'].pop('CAM_BACK')
        return results

    item = dataset(tiny_data, tiny_root, [blind, LoadCalibration()], allow_missing_cameras=True)[0]
    assert item['camera_valid'].tolist() == [[True, False]] and item['img_paths'][0][1] == ''


def test_a_pipeline_of_points_and_pseudo_labels(tiny_data, root):
    """No image is opened; the batch goes through the preprocessor."""
    labels = root / 'labels'
    with PseudoLabelWriter(labels, 'painter', 'a' * 64, ['Road', 'Sidewalk']) as writer:
        for i in (0, 3, 6):
            for camera in ('CAM_FRONT', 'CAM_BACK'):
                writer.write(camera, f'scene-0061-{camera}-{i}', np.zeros((48, 96), np.uint8), np.ones((48, 96)))
    for path in (root / 'samples').glob('CAM*/*.jpg'):
        path.unlink()
    pseudo = LoadPseudoLabels(str(labels), 'mapillary_v1', classes=['drivable'], stride=2, num_frames=1)
    pipeline = [LoadCalibration(), LoadBEVPoints(num_frames=2), pseudo, PackBEVInputs()]
    data = dataset(tiny_data, root, pipeline, num_frames=3)
    sample = data[2]
    assert list(sample['inputs']) == ['points']
    assert sample['data_samples'].image_size == sample['data_samples'].img_shape == (48, 96)
    assert sample['data_samples'].bev2img.shape == (3, 2, 4, 4)
    assert sample['data_samples'].pseudo_target.shape == (1, 2, 1, 24, 48)
    batch = BEVDataPreprocessor()(pseudo_collate([data[1], sample]))
    assert list(batch['inputs']) == ['points'] and len(batch['data_samples']) == 2
    assert [[len(cloud) for cloud in clouds] for clouds in batch['inputs']['points']] == [[3, 2], [2, 1]]
    alone = BEVDataPreprocessor()(data[2])
    assert [[len(cloud) for cloud in clouds] for clouds in alone['inputs']['points']] == [[2, 1]]
    assert all(isinstance(cloud, torch.Tensor) for cloud in alone['inputs']['points'][0])


def test_images_and_points_together(tiny_data, root):
    data = dataset(tiny_data, root, [LoadBEVImages(), LoadBEVPoints(), PackBEVInputs()])
    batch = BEVDataPreprocessor(pad_size_divisor=64)(pseudo_collate([data[0], data[1]]))
    assert batch['inputs']['img'].shape == (2, 1, 2, 3, 64, 128)
    assert [len(clouds[-1]) for clouds in batch['inputs']['points']] == [3, 2]
    assert batch['data_samples'][0].pad_shape == (64, 128)


def test_errors(tiny_data, root, tmp_path):
    with pytest.raises(ValueError, match=r'scene-0061-CAM_FRONT-1 has no lidar file'):
        dataset(tiny_data, root, [LoadBEVPoints()], frames='all')[1]
    path = root / 'samples' / 'LIDAR_TOP' / 'scene-0061-LIDAR_TOP-0.jpg'
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match=r'\(frame scene-0061-sample0\): 14 numbers are no rows of load_dim=5'):
        dataset(tiny_data, root, [LoadBEVPoints()])[0]
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r'LIDAR_TOP-0.jpg \(frame scene-0061-sample0\)'):
        dataset(tiny_data, root, [LoadBEVPoints()])[0]
    with pytest.raises(ValueError, match=r'use_dim must begin with 0, 1, 2 and stay below load_dim=5, got'):
        dataset(tiny_data, root, [LoadBEVPoints(use_dim=(0, 1, 2, 5))])[0]
    with pytest.raises(ValueError, match='scene-0061-sample0 has neither images nor points'):
        dataset(tiny_data, root, [LoadCalibration(), PackBEVInputs()])[0]
    for arguments, message in (
        ({'num_frames': 0}, 'num_frames must be a positive integer or None'),
        ({'use_dim': (1, 0, 2)}, 'use_dim must begin with 0, 1, 2'),
        ({'use_dim': (0, 1, 2, 5), 'load_dim': 5}, 'stay below load_dim=5'),
    ):
        with pytest.raises(ValueError, match=message):
            LoadBEVPoints(**arguments)


def test_npz_files(tmp_path):
    points = np.arange(12, dtype=np.float64).reshape(4, 3)
    np.savez(tmp_path / 'a.npz', points=points)
    found = read_lidar(tmp_path / 'a.npz', 3)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, points)
    np.savez(tmp_path / 'b.npz', points=points, intensity=np.uint8([5, 6, 7, 8]), other=np.zeros(9))
    np.testing.assert_array_equal(read_lidar(tmp_path / 'b.npz', 4)[:, 3], [5, 6, 7, 8])
    with pytest.raises(ValueError, match=r'b.npz \(frame x\): points must be \(P, 3\) by load_dim=3, got \(4, 4\)'):
        read_lidar(tmp_path / 'b.npz', 3, 'frame x')
    np.savez(tmp_path / 'c.npz', xyz=points)
    for name in ('c.npz', 'd.npz'):
        (tmp_path / 'd.npz').write_bytes(b'PK')
        with pytest.raises(ValueError, match=f'{name} is no .npz with the array points'):
            read_lidar(tmp_path / name, 3)
