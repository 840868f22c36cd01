import pytest
import torch

from ssl_bev.geometry import (
    ground_homography,
    ground_lift,
    invert_rigid,
    pixel_grid,
    pixel_rays,
    pixels_to_ground,
    project_points,
    transform_points,
)

SIZE = (100, 200)


def test_hand_worked_pixel(forward_camera):
    """A camera 1.5 m above the road looks along x with f = 100 px and its centre at (100, 50).

    z
    |  camera o---> x        point (10, 2, 0): depth 10, 2 m to the left, 1.5 m below
    |_________|_______       u = 100 - 100 * 2 / 10 = 80,  v = 50 + 100 * 1.5 / 10 = 65
    """
    pixels, depth, visible = project_points(torch.tensor([[10.0, 2.0, 0.0]]), forward_camera, SIZE)
    torch.testing.assert_close(pixels, torch.tensor([[80.0, 65.0]]))
    torch.testing.assert_close(depth, torch.tensor([10.0]))
    assert visible.all()


def test_behind_and_beside_are_not_visible_and_finite(forward_camera):
    points = torch.tensor([[-10.0, 0.0, 0.0], [0.0, 0.0, 1.5], [10.0, 20.0, 0.0], [10.0, 0.0, 0.0]], requires_grad=True)
    pixels, _, visible = project_points(points, forward_camera, SIZE)
    assert visible.tolist() == [False, False, False, True]
    pixels.sum().backward()
    assert pixels.isfinite().all() and points.grad.isfinite().all()


@pytest.mark.parametrize('batch', [(), (2,), (1, 2)])
def test_shapes_broadcast(batch, forward_camera):
    camera = forward_camera.expand(*batch, 4, 4)
    pixels, depth, visible = project_points(torch.rand(5, 3), camera, SIZE)
    assert pixels.shape == (*batch, 5, 2) and depth.shape == visible.shape == (*batch, 5)


def test_hand_worked_ray(forward_camera):
    """The pixel (80, 65) of the camera above looks along (1, 0.2, -0.15)."""
    origin, directions = pixel_rays(torch.tensor([[80.0, 65.0], [100.0, 50.0]]), forward_camera)
    torch.testing.assert_close(origin, torch.tensor([[0, 0, 1.5]]))
    torch.testing.assert_close(directions, torch.tensor([[1, 0.2, -0.15], [1, 0, 0]]))


def test_rays_lead_back_to_their_pixels(forward_camera, left_camera):
    cameras = torch.stack([forward_camera, left_camera])
    pixels = pixel_grid(SIZE, 20).flatten(0, 1)
    origin, directions = pixel_rays(pixels, cameras)
    assert origin.shape == (2, 1, 3) and directions.shape == (2, 50, 3)
    back, depth, visible = project_points(origin + 7 * directions, cameras, SIZE)
    torch.testing.assert_close(back, pixels.expand(2, -1, -1), atol=1e-4, rtol=0)
    torch.testing.assert_close(depth, torch.full((2, 50), 7.0))
    assert visible.all()


def test_homography_agrees_with_the_projection_of_road_points(forward_camera):
    xy = torch.tensor([[5.0, 1.0], [20.0, -3.0]])
    points = torch.cat([xy, torch.zeros(2, 1)], -1)
    mapped = torch.cat([xy, torch.ones(2, 1)], -1) @ ground_homography(forward_camera, torch.eye(4)).mT
    torch.testing.assert_close(mapped[:, :2] / mapped[:, 2:], project_points(points, forward_camera, SIZE)[0])


def test_road_of_a_tilted_frame(tilted_road2bev):
    """Lifted points have z = 0 in the road frame, and keep their x, y in the BEV frame."""
    xy1 = torch.tensor([[3.0, 4.0, 1.0], [-7.0, 2.0, 1.0]])
    points = xy1 @ ground_lift(tilted_road2bev).mT
    torch.testing.assert_close(points[:, :2], xy1[:, :2])
    road = transform_points(invert_rigid(tilted_road2bev), points[:, :3])
    torch.testing.assert_close(road[:, 2], torch.zeros(2), atol=1e-5, rtol=0)
    assert points[0, 2] != points[1, 2]


def test_round_trip_pixel_ground_pixel(forward_camera):
    homography = ground_homography(forward_camera, torch.eye(4))
    pixels = pixel_grid(SIZE, 10).flatten(0, 1)
    xy, _, valid = pixels_to_ground(pixels, homography)
    assert valid.sum() == 5 * 20  # the rows below the horizon at v = 50
    assert (pixels[valid][:, 1] > 50).all()
    back = project_points(torch.cat([xy, torch.zeros_like(xy[:, :1])], -1), forward_camera, SIZE)[0]
    torch.testing.assert_close(back[valid], pixels[valid], atol=0.01, rtol=0)


def test_area_is_that_of_the_pixel_on_the_ground(forward_camera):
    homography = ground_homography(forward_camera, torch.eye(4))
    centre = torch.tensor([[90.0, 70.0]])
    corners = centre + torch.tensor([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    x, y = pixels_to_ground(corners, homography)[0].double().unbind(-1)
    shoelace = 0.5 * (x * y.roll(-1) - y * x.roll(-1)).sum().abs()
    area = pixels_to_ground(centre, homography)[1][0].double()
    torch.testing.assert_close(area, shoelace, rtol=5e-3, atol=0)


def test_sky_has_no_ground_and_no_nan(forward_camera):
    homography = ground_homography(forward_camera, torch.eye(4)).requires_grad_()
    xy, area, valid = pixels_to_ground(torch.tensor([[100.0, 10.0], [100.0, 50.0]]), homography)
    assert not valid.any()
    (xy.sum() + area.sum()).backward()
    assert xy.isfinite().all() and homography.grad.isfinite().all()


def test_batch_independence(forward_camera, left_camera):
    pixels = pixel_grid(SIZE, 20).flatten(0, 1)
    road2bev = torch.eye(4)
    both = pixels_to_ground(pixels, ground_homography(torch.stack([forward_camera, left_camera]), road2bev))
    for i, camera in enumerate((forward_camera, left_camera)):
        alone = pixels_to_ground(pixels, ground_homography(camera, road2bev))
        for together, single in zip(both, alone, strict=True):
            torch.testing.assert_close(together[i], single)


def test_pixel_grid_has_block_centres():
    grid = pixel_grid((4, 8), 4)
    torch.testing.assert_close(grid, torch.tensor([[[2.0, 2.0], [6.0, 2.0]]]))
    torch.testing.assert_close(pixel_grid((1, 1))[0, 0], torch.tensor([0.5, 0.5]))
    with pytest.raises(ValueError, match='stride 3 must divide'):
        pixel_grid((4, 6), 3)


def test_gradcheck_of_the_ground(forward_camera):
    homography = ground_homography(forward_camera, torch.eye(4)).double().requires_grad_()
    pixels = torch.tensor([[80.0, 65.0], [120.0, 90.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda h: pixels_to_ground(pixels, h)[:2], homography, atol=1e-4, rtol=1e-3)


def test_errors_name_the_argument(forward_camera):
    with pytest.raises(ValueError, match=r'points must have the shape \(\.\.\., P, 3\)'):
        project_points(torch.zeros(4, 2), forward_camera, SIZE)
    with pytest.raises(ValueError, match='pixels'):
        pixels_to_ground(torch.zeros(4, 3), torch.eye(3))
