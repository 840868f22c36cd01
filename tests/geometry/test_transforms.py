import math

import pytest
import torch

from ssl_bev.geometry import invert_rigid, planar_pose, rotation_z, scale_pixels, transform_points, translation

torch.manual_seed(0)


def random_pose(*batch):
    """A turned and tilted pose (or its mirror image)."""
    pose = torch.eye(4, dtype=torch.float64).repeat(*batch, 1, 1)
    pose[..., :3, :3] = torch.linalg.qr(torch.randn(*batch, 3, 3, dtype=torch.float64))[0]
    pose[..., :3, 3] = torch.randn(*batch, 3, dtype=torch.float64) * 50
    return pose


@pytest.mark.parametrize('batch', [(), (2,), (1, 2)])
def test_inverse_undoes(batch):
    pose = random_pose(*batch)
    points = torch.randn(*batch, 5, 3, dtype=torch.float64)
    back = transform_points(invert_rigid(pose), transform_points(pose, points))
    assert back.shape == (*batch, 5, 3)
    torch.testing.assert_close(back, points)


def test_transform_points_broadcasts_over_points():
    points = torch.randn(1, 7, 3, dtype=torch.float64)
    assert transform_points(random_pose(4), points).shape == (4, 7, 3)


def test_rotation_z_turns_forward_to_left():
    turned = transform_points(rotation_z(torch.tensor(math.pi / 2)), torch.tensor([[1.0, 0.0, 5.0]]))
    torch.testing.assert_close(turned, torch.tensor([[0.0, 1.0, 5.0]]))


def test_translation_by_hand():
    moved = transform_points(translation(torch.tensor([1.0, 2.0, 3.0])), torch.zeros(1, 3))
    torch.testing.assert_close(moved, torch.tensor([[1.0, 2.0, 3.0]]))


def test_scale_pixels_scales_the_projected_pixel():
    projection = torch.randn(4, 4)
    point = torch.tensor([1.0, 2.0, 3.0, 1.0])
    before, after = projection @ point, scale_pixels(projection, 0.5, 0.25) @ point
    torch.testing.assert_close(after[0] / after[2], 0.5 * before[0] / before[2])
    torch.testing.assert_close(after[1] / after[2], 0.25 * before[1] / before[2])


def test_planar_pose_drops_tilt_and_height_only():
    yaw = torch.tensor(0.7)
    flat = rotation_z(yaw)
    flat[:3, 3] = torch.tensor([3.0, -2.0, 9.0])
    roll = torch.eye(4)
    roll[1:3, 1:3] = torch.tensor([[0.99, -0.1411], [0.1411, 0.99]])
    planar = planar_pose(flat @ roll)
    torch.testing.assert_close(planar[:2, :2], flat[:2, :2], atol=1e-5, rtol=0)
    torch.testing.assert_close(planar[:2, 2], torch.tensor([3.0, -2.0]))


def test_planar_pose_keeps_a_reflection():
    flip = torch.diag(torch.tensor([1.0, -1.0, 1.0, 1.0]))
    torch.testing.assert_close(planar_pose(flip), torch.diag(torch.tensor([1.0, -1.0, 1.0])))


def test_shape_errors():
    with pytest.raises(ValueError, match=r'\(\.\.\., 4, 4\)'):
        invert_rigid(torch.eye(3))
