import cv2
import numpy as np
import pytest
import torch

from ssl_bev.datasets import LoadBEVImages, LoadBEVMasks, NuScenesBEVDataset, PackBEVInputs, ResizeCropFlipImages
from ssl_bev.files import write_png


def dataset(tiny_data, root, pipeline, **arguments):
    settings = {'data_root': str(root), 'info_root': str(tiny_data), 'pipeline': pipeline} | arguments
    return NuScenesBEVDataset(ann_file='ssl_bev_infos_train.pkl', **settings)


PIPELINE = [LoadBEVImages(), LoadBEVMasks(), ResizeCropFlipImages((24, 48)), PackBEVInputs()]


def test_packed_sample(tiny_data, tiny_root):
    sample = dataset(tiny_data, tiny_root, PIPELINE, num_frames=2)[1]
    assert sample['inputs']['img'].shape == (2, 2, 3, 24, 48)
    assert sample['inputs']['img'].dtype == torch.uint8
    packed = sample['data_samples']
    assert packed.bev2img.shape == (2, 2, 4, 4)
    # (11.5, 2, 0) lies 10.3 m before CAM_FRONT; f = 30 px after halving, centre (24, 10).
    pixel = packed.bev2img[1, 0] @ torch.tensor([11.5, 2, 0, 1])
    np.testing.assert_allclose(pixel[:2] / pixel[2], [24 - 30 * 2 / 10.3, 10 + 30 * 1.5 / 10.3], rtol=1e-5)
    np.testing.assert_allclose(packed.bev2global[:, :2, 3], [[100, 100], [105, 100]])
    assert packed.bev2global.dtype == torch.float64
    assert packed.frame_valid.tolist() == [True, True]
    assert packed.gt_bev_seg.shape == (5, 120, 240)
    assert packed.gt_bev_seg[3, 60].nonzero()[:, 0].tolist() == list(range(160, 172))
    assert (packed.sample_token, packed.scene_name, packed.frame_index) == ('scene-0061-sample1', 'scene-0061', 1)
    assert packed.timestamps == [1500000000.0, 1500000000.5]
    assert (packed.x_range, packed.cell_size, packed.img_shape) == ((-30.0, 30.0), 0.25, (24, 48))
    assert packed.img_paths[1][0].endswith('samples/CAM_FRONT/scene-0061-CAM_FRONT-3.jpg')


def test_packed_images_are_the_loaded_ones(tiny_data, tiny_root):
    """Channels first, and frames, cameras and mirrored (not contiguous) images in their places."""
    loaded = []

    def paint(results):
        rng = np.random.default_rng(0)
        results['img'] = [[rng.integers(0, 255, (24, 48, 3), np.uint8)[:, ::-1] for _ in row] for row in results['img']]
        loaded.extend(results['img'])
        return results

    sample = dataset(tiny_data, tiny_root, [LoadBEVImages(), paint, PackBEVInputs()], num_frames=2)[1]
    np.testing.assert_array_equal(sample['inputs']['img'].numpy(), np.array(loaded).transpose(0, 1, 4, 2, 3))


def test_label_classes_and_missing_labels(tiny_data, tiny_root, tmp_path):
    pipeline = [LoadBEVMasks()]
    item = dataset(tiny_data, tiny_root, pipeline)[0]
    assert item['bev_classes'] == ['drivable_area', 'lane_divider', 'road_divider', 'ped_crossing', 'stop_line']
    assert item['gt_bev_seg'][[4, 0]].sum((1, 2)).tolist() == [10 * 16, (60 * 20 - 5 * 4) * 16]
    unlabelled = dataset(tiny_data, tiny_root, pipeline, with_labels=False)[0]
    assert 'gt_bev_seg' not in unlabelled
    with pytest.raises(ValueError, match=r"are in the 'ego' frame, the dataset's bev_frame is 'lidar'"):
        dataset(tiny_data, tiny_root, pipeline, bev_frame='lidar')[0]
    with pytest.raises(FileNotFoundError, match=r'manifest.json; make it with tools/create_data.py'):
        dataset(tiny_data, tiny_root, pipeline, label_dir='elsewhere')[0]
    (tmp_path / 'manifest.json').write_bytes((tiny_data / 'bev_labels' / 'manifest.json').read_bytes())
    with pytest.raises(FileNotFoundError, match=r'scene-0061-sample0.png \(BEV label of frame scene-0061-sample0'):
        dataset(tiny_data, tiny_root, pipeline, label_dir=str(tmp_path))[0]
    write_png(tmp_path / 'scene-0061-sample0.png', np.zeros((10, 10), np.uint16))
    with pytest.raises(ValueError, match=r'must be \(120, 240\) uint16'):
        dataset(tiny_data, tiny_root, pipeline, label_dir=str(tmp_path))[0]


def test_bad_images_are_named(tiny_data, tiny_root, tmp_path):
    (tmp_path / 'samples').symlink_to(tiny_root / 'samples')
    missing = dataset(tiny_data, tmp_path, [LoadBEVImages()])
    assert len(missing[0]['img'][0]) == 2
    (tmp_path / 'samples').unlink()
    with pytest.raises(FileNotFoundError, match=r'CAM_FRONT-0.jpg \(frame scene-0061-sample0\)'):
        missing[0]
    for name, content in (('CAM_FRONT', None), ('CAM_BACK', b'')):
        folder = tmp_path / 'samples' / name
        folder.mkdir(parents=True)
        whole = (tiny_root / 'samples' / name / f'scene-0061-{name}-0.jpg').read_bytes()
        (folder / f'scene-0061-{name}-0.jpg').write_bytes(whole if content is None else whole[:-40])
    with pytest.raises(ValueError, match=r'truncated: .*CAM_BACK-0.jpg \(frame scene-0061-sample0\)'):
        missing[0]
    path = tmp_path / 'samples' / 'CAM_FRONT' / 'scene-0061-CAM_FRONT-0.jpg'
    cv2.imwrite(str(path), np.zeros((50, 96, 3), np.uint8))
    with pytest.raises(ValueError, match=r'is \(50, 96\) \(height, width\), its info file says \(48, 96\)'):
        missing[0]


def test_images_of_different_size_need_a_resize(tiny_data, tiny_root):
    def shrink(results):
        results['img'][0][1] = results['img'][0][1][:-2]
        return results

    with pytest.raises(ValueError, match=r'scene-0061-sample0 must have one size.*ResizeCropFlipImages'):
        dataset(tiny_data, tiny_root, [LoadBEVImages(), shrink, PackBEVInputs()])[0]
