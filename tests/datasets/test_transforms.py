import cv2
import numpy as np
import pytest
import torch

from ssl_bev.datasets import (
    BEVFlipRotate,
    JitterColors,
    LoadBEVImages,
    LoadBEVMasks,
    NuScenesBEVDataset,
    PackBEVInputs,
    ResizeCropFlipImages,
)
from ssl_bev.geometry import BEVGrid, ground_homography, pixels_to_ground, warp_bev
from ssl_bev.pseudo_labels.pictures import write_png


@pytest.fixture(autouse=True)
def seeded():
    np.random.seed(0)  # noqa: NPY002  (what data workers seed)


def window(images, cam2img=None):
    """What LoadBEVImages makes of one frame with these images."""
    count = len(images)
    cam2img = np.tile(np.diag([50.0, 50, 1, 1]), (1, count, 1, 1)) if cam2img is None else cam2img
    return {
        'img': [list(images)],
        'cam2img': cam2img,
        'img_aug': np.tile(np.eye(3), (1, count, 1, 1)),
        'bev2cam': np.tile(np.eye(4), (1, count, 1, 1)),
    }


def painted(u, v, shape=(120, 200), radius=6):
    """A picture with a soft round dot whose centre of mass is at (u, v), pixel centres at +0.5."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    dot = 250 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * (radius / 2) ** 2))
    return np.repeat(dot[..., None], 3, 2).astype(np.float32)


def center_of_mass(image):
    weight = image[..., 0].astype(np.float64)
    y, x = np.mgrid[: weight.shape[0], : weight.shape[1]] + 0.5
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


AUGMENTATIONS = {
    'half': {'size': (60, 100)},
    'odd scale': {'size': (70, 137)},
    'larger': {'size': (150, 260)},
    'bottom crop': {'size': (64, 176), 'crop_y': 'bottom'},
    'flip': {'size': (60, 100), 'flip_prob': 1.0},
    'random': {'size': (80, 130), 'resize': (1.0, 1.3), 'crop_x': 'random', 'crop_y': 'random', 'flip_prob': 0.5},
    'zoom out': {'size': (90, 150), 'resize': (0.7, 0.9), 'crop_x': 'random', 'crop_y': 'random', 'flip_prob': 0.5},
}


@pytest.mark.parametrize('arguments', AUGMENTATIONS.values(), ids=AUGMENTATIONS.keys())
def test_painted_dot_is_where_the_calibration_says(arguments):
    """A point in space that projects onto the dot still does so afterwards, to 0.01 px."""
    for _ in range(5):
        dots = np.array([[101.3, 82.6], [96.8, 77.1]])
        cam2img = np.tile(np.array([[90.0, 0, 98, 0], [0, 95, 55, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), (1, 2, 1, 1))
        results = ResizeCropFlipImages(per_camera=True, **arguments).transform(
            window([painted(*dot) for dot in dots], cam2img.copy())
        )
        assert results['img_shape'] == arguments['size']
        for n, dot in enumerate(dots):
            rays = np.linalg.inv(cam2img[0, n, :3, :3]) @ [*dot, 1]
            projected = results['cam2img'][0, n, :3, :3] @ (7 * rays)
            expected = projected[:2] / projected[2]
            np.testing.assert_allclose(results['img_aug'][0, n] @ [*dot, 1], [*expected, 1], atol=1e-9)
            assert results['img'][0][n].shape[:2] == arguments['size']
            np.testing.assert_allclose(center_of_mass(results['img'][0][n]), expected, atol=0.01)


def test_resize_keeps_the_sky_out():
    """A 120 x 200 image at size (60, 200) loses its upper half."""
    image = np.zeros((120, 200, 3), np.uint8)
    image[60:] = 7
    results = ResizeCropFlipImages((60, 200)).transform(window([image]))
    assert (results['img'][0][0] == 7).all()
    np.testing.assert_allclose(results['cam2img'][0, 0, :2, 2], [0, -60])


def test_one_draw_for_all_frames_and_by_option_for_all_cameras():
    def augmented(**arguments):
        transform = ResizeCropFlipImages((60, 100), resize=(1, 1.5), crop_x='random', flip_prob=0.5, **arguments)
        one = window([np.zeros((120, 200, 3), np.uint8)] * 3)
        two = {
            **one,
            'img': one['img'] * 2,
            'img_aug': one['img_aug'].repeat(2, 0),
            'cam2img': one['cam2img'].repeat(2, 0),
        }
        return transform.transform(two)['img_aug']

    shared, separate = augmented(), augmented(per_camera=True)
    np.testing.assert_array_equal(shared[0], shared[1])
    np.testing.assert_array_equal(separate[0], separate[1])
    assert (shared[0] == shared[0, :1]).all()
    assert not np.allclose(separate[0, 0], separate[0, 1])


def test_without_training_nothing_is_random():
    arguments = {'resize': (0.5, 2), 'crop_x': 'random', 'crop_y': 'random', 'flip_prob': 1.0, 'training': False}
    results = ResizeCropFlipImages((30, 100), **arguments).transform(window([np.zeros((120, 200, 3), np.uint8)]))
    np.testing.assert_allclose(results['img_aug'][0, 0], [[0.5, 0, 0], [0, 0.5, -30], [0, 0, 1]])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'size': (0, 10)}, r'size must be \(height, width\)'),
        ({'size': (10, 10), 'resize': (1.2, 1)}, 'resize must be'),
        ({'size': (10, 10), 'crop_y': 'sky'}, "crop_y must be one of .*, got 'sky'"),
        ({'size': (10, 10), 'flip_prob': 2}, r'flip_prob must be in \[0, 1\]'),
    ],
)
def test_image_augmentation_checks_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResizeCropFlipImages(**arguments)


GRID = BEVGrid((-30, 30), (-15, 15), 0.25)


def bev_window(labels=None, grid=GRID):
    results = {
        'bev2cam': np.tile(np.array([[0.0, -1, 0, 0], [0, 0, -1, 1.5], [1, 0, 0, 0], [0, 0, 0, 1]]), (2, 3, 1, 1)),
        'bev2global': np.stack([np.eye(4), np.eye(4)]),
        'road2bev': np.stack([np.eye(4)] * 2),
        'cam2img': np.tile(np.array([[60.0, 0, 60, 0], [0, 60, 20, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), (2, 3, 1, 1)),
    }
    results['bev2global'][:, :2, 3] = [[100, 200], [103, 200.5]]
    if labels is not None:
        results |= {'gt_bev_seg': labels, 'x_range': grid.x_range, 'y_range': grid.y_range, 'cell_size': grid.cell_size}
    return results


@pytest.mark.parametrize('arguments', [{'flip_x': 1}, {'flip_y': 1}, {'flip_x': 1, 'flip_y': 1}, {'max_rotation': 0.5}])
def test_bev_augmentation_moves_label_and_projection_together(arguments):
    """The cell that is marked lands where the matrices say, and still projects to the same pixel and place."""
    labels = np.zeros((2, 120, 240), np.uint8)
    labels[1, 85:90, 180:190] = 1
    before = bev_window(labels)
    after = BEVFlipRotate(**arguments).transform(dict(before))
    marked = np.array([(185 * 0.25) - 30, 87.5 * 0.25 - 15, 0, 1])
    moved = after['bev_aug'] @ marked
    assert not np.allclose(moved, marked)
    rows, columns = np.nonzero(after['gt_bev_seg'][1] == 1)
    found = [(columns.mean() + 0.5) * 0.25 - 30, (rows.mean() + 0.5) * 0.25 - 15]
    np.testing.assert_allclose(found, moved[:2], atol=0.06 if 'max_rotation' in arguments else 1e-9)
    for key in ('bev2cam', 'bev2global'):
        np.testing.assert_allclose(after[key] @ moved, before[key] @ marked, atol=1e-9)
    np.testing.assert_allclose(after['road2bev'] @ marked, [moved] * 2, atol=1e-9)
    # A pixel meets the ground at the moved point.
    bev2img = torch.from_numpy(after['cam2img'] @ after['bev2cam'])[0, 0]
    pixel = before['cam2img'][0, 0] @ before['bev2cam'][0, 0] @ marked
    homography = ground_homography(bev2img, torch.from_numpy(after['road2bev'])[0])
    xy, *_, valid = pixels_to_ground(torch.from_numpy(pixel[None, :2] / pixel[2]), homography)
    assert valid.all()
    np.testing.assert_allclose(xy[0], moved[:2], atol=1e-6)


@pytest.mark.parametrize('arguments', [{'flip_x': 1}, {'flip_y': 1}, {'max_rotation': 0.5}])
def test_bev_augmentation_keeps_the_motion_between_frames(arguments):
    """Warping the augmented past by the augmented poses gives the augmented warp of the past."""
    grid = BEVGrid((-10, 10), (-10, 10), 0.25)
    disc = (((grid.cell_centers() - torch.tensor([4.0, 2.0])) ** 2).sum(-1) < 4).numpy()[None].astype(np.uint8)
    after = BEVFlipRotate(**arguments).transform(bev_window(disc, grid))
    poses = torch.from_numpy(after['bev2global'])
    augmented = torch.from_numpy(after['gt_bev_seg'])[None] == 1
    current2past = (torch.linalg.inv(poses[0]) @ poses[1])[None].float()
    found, _ = warp_bev(augmented.float(), grid, current2past)
    rows, columns = torch.nonzero(found[0, 0] > 0.5, as_tuple=True)
    center = after['bev_aug'] @ [4 - 3, 2 - 0.5, 0, 1]  # the car has moved by (3, 0.5)
    found_center = [(columns.double().mean() + 0.5) * 0.25 - 10, (rows.double().mean() + 0.5) * 0.25 - 10]
    np.testing.assert_allclose(found_center, center[:2], atol=0.1 if 'max_rotation' in arguments else 0.02)


def test_rotated_labels_are_ignored_where_nothing_was_known():
    labels = np.ones((1, 120, 240), np.uint8)
    after = BEVFlipRotate(max_rotation=0.5).transform(bev_window(labels))['gt_bev_seg']
    angle = 0.5
    assert set(np.unique(after)) == {1, 255}
    assert 0 < (after == 255).mean() < np.tan(angle)
    assert after[0, 60, 120] == 1


def test_flip_of_a_lopsided_range_is_refused():
    grid = BEVGrid((-10, 50), (-15, 15), 0.25)
    labels = np.zeros((1, 120, 240), np.uint8)
    with pytest.raises(ValueError, match=r'needs a x_range that is symmetric about 0, got \(-10.0, 50.0\)'):
        BEVFlipRotate(flip_x=1).transform(bev_window(labels, grid))
    BEVFlipRotate(flip_y=1).transform(bev_window(labels, grid))


def test_jitter_is_the_same_for_all_frames_and_stays_small():
    image = np.random.default_rng(0).integers(60, 190, (20, 30, 3), np.uint8)
    results = {'img': [[image, image], [image, image]]}
    after = JitterColors(per_camera=True).transform(results)['img']
    np.testing.assert_array_equal(after[0][0], after[1][0])
    assert (after[0][0] != after[0][1]).any()
    assert np.abs(after[0][0].astype(int) - image).mean() < 60
    same = JitterColors(0, 0, 0, 0).transform({'img': [[image]]})['img'][0][0]
    np.testing.assert_array_equal(same, image)
    # Brightness alone shifts every channel alike.
    bright = JitterColors(0.1, 0, 0, 0).transform({'img': [[image]]})['img'][0][0].astype(int) - image
    assert np.ptp(bright) <= 1
    with pytest.raises(ValueError, match=r'hue must be in \[0, 180\], got -1'):
        JitterColors(hue=-1)


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


def test_selected_label_classes_and_missing_labels(tiny_data, tiny_root, tmp_path):
    pipeline = [LoadBEVMasks(classes=['stop_line', 'drivable_area'])]
    item = dataset(tiny_data, tiny_root, pipeline)[0]
    assert item['bev_classes'] == ['stop_line', 'drivable_area']
    assert item['gt_bev_seg'].sum((1, 2)).tolist() == [10 * 16, (60 * 20 - 5 * 4) * 16]
    unlabelled = dataset(tiny_data, tiny_root, pipeline, with_labels=False)[0]
    assert 'gt_bev_seg' not in unlabelled
    with pytest.raises(ValueError, match=r"classes \['lane'\] are not in the labels of"):
        dataset(tiny_data, tiny_root, [LoadBEVMasks(classes=['lane'])])[0]
    with pytest.raises(ValueError, match=r"are in the 'ego' frame, the dataset's bev_frame is 'lidar'"):
        dataset(tiny_data, tiny_root, pipeline, bev_frame='lidar')[0]
    with pytest.raises(FileNotFoundError, match=r'manifest.json; make it with tools/create_data.py'):
        dataset(tiny_data, tiny_root, pipeline, label_dir='elsewhere')[0]
    (tmp_path / 'manifest.json').write_bytes((tiny_data / 'bev_labels' / 'manifest.json').read_bytes())
    with pytest.raises(FileNotFoundError, match=r'scene-0061-sample0.png \(BEV label of frame scene-0061-sample0'):
        dataset(tiny_data, tiny_root, [LoadBEVMasks(label_dir=str(tmp_path))])[0]
    write_png(tmp_path / 'scene-0061-sample0.png', np.zeros((10, 10), np.uint16))
    with pytest.raises(ValueError, match=r'must be \(120, 240\) uint16'):
        dataset(tiny_data, tiny_root, [LoadBEVMasks(label_dir=str(tmp_path))])[0]


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
