import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARPoints

from ssl_bev.datasets import BEVFlipRotate
from ssl_bev.geometry import BEVGrid, ground_homography, pixels_to_ground, warp_bev


@pytest.fixture(autouse=True)
def seeded():
    np.random.seed(0)  # noqa: NPY002  (what data workers seed)


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


def test_a_flip_of_a_lopsided_range_ignores_cells_from_outside():
    grid = BEVGrid((-10, 50), (-15, 15), 0.25)
    labels = np.random.default_rng(0).integers(0, 2, (1, 120, 240)).astype(np.uint8)
    flipped = BEVFlipRotate(flip_x=1).transform(bev_window(labels, grid))['gt_bev_seg']
    np.testing.assert_array_equal(flipped[..., :80], labels[..., :80][..., ::-1])  # x from -10 to 10
    assert (flipped[..., 80:] == 255).all()


@pytest.mark.parametrize('arguments', [{'flip_x': 1}, {'flip_y': 1}, {'max_rotation': 0.5}])
def test_accumulated_targets_move_as_bev_labels_do(arguments):
    """On a grid of their own; what a rotation brings in from outside has no weight."""
    grid = BEVGrid((-10, 10), (-5, 5), 0.5)
    values = np.random.default_rng(0).integers(1, 200, (2, 20, 40)).astype(np.uint8)
    alone = BEVFlipRotate(**arguments)
    np.random.seed(2)  # noqa: NPY002
    labels = alone.transform(bev_window(values, grid))['gt_bev_seg']
    both = bev_window(np.zeros((1, 120, 240), np.uint8)) | {'accumulated_grid': grid}
    both |= {'accumulated_probability': values, 'accumulated_weight': values}
    np.random.seed(2)  # noqa: NPY002
    moved = alone.transform(both)
    outside = labels == 255
    assert outside.any() == ('max_rotation' in arguments)
    for key in ('accumulated_probability', 'accumulated_weight'):
        np.testing.assert_array_equal(moved[key], np.where(outside, 0, labels))
        assert moved[key].dtype == np.uint8


def test_labels_move_alike_without_cameras():
    labels = np.zeros((1, *GRID.shape), np.uint8)
    labels[0, 10:20, 30:50] = 1
    geometry = dict(x_range=GRID.x_range, y_range=GRID.y_range, cell_size=GRID.cell_size)
    moved = []
    for cameras in (True, False):
        np.random.seed(1)  # noqa: NPY002
        results = bev_window(labels) if cameras else dict(gt_bev_seg=labels, **geometry)
        moved.append(BEVFlipRotate(0.5, 0.5, 0.5).transform(results))
    np.testing.assert_array_equal(*(each['gt_bev_seg'] for each in moved))
    assert not np.array_equal(moved[0]['gt_bev_seg'], labels) and 'bev2cam' not in moved[1]


def test_a_second_augmentation_adds_to_the_first():
    before = bev_window()
    after = BEVFlipRotate(flip_y=1, max_rotation=0.5).transform(BEVFlipRotate(flip_x=1, max_rotation=0.5)(before))
    np.testing.assert_allclose(after['bev2cam'] @ after['bev_aug'], bev_window()['bev2cam'], atol=1e-12)


def test_the_points_of_a_detector_are_refused():
    points = LiDARPoints(torch.rand(5, 4), points_dim=4)
    with pytest.raises(ValueError, match='not the LiDARPoints of a detector; use RandomFlip3D and GlobalRotScaleTrans'):
        BEVFlipRotate(flip_x=1).transform(bev_window() | {'points': points})
