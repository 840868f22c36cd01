"""A road with heights:

z |            ___ 1.0       heights over the road frame's x, of cells 2 m wide
  |  0.0 ___ /
  +----------------- x
"""

import pytest
import torch

from ssl_bev.geometry import (
    BEVGrid,
    Road,
    height_over_road,
    invert_rigid,
    lift_to_road,
    pixels_on_road,
    points_over_road,
    project_points,
    reproject,
    rotation_z,
    transform_points,
    translation,
    visible_cells,
    warp_bev,
)

HEIGHT_GRID = BEVGrid((-20, 40), (-20, 20), 2.0)
GRID = BEVGrid((-10, 20), (-10, 10), 0.5)
SIZE = (100, 200)
OFFSETS = torch.tensor([[0.0, 0.0], [0.2, 0.0], [-0.1, 0.25]])


def heights_of(surface, grid=HEIGHT_GRID):
    return surface(*grid.cell_centers().unbind(-1))


def wavy(x, y):
    return 0.3 * torch.sin(x / 6) + 0.2 * torch.cos(y / 5)


@pytest.fixture
def road(tilted_road2bev):
    """Two samples: waves over z = 0, and a ramp over a tilted plane, as below a lidar."""
    heights = torch.stack([heights_of(wavy), heights_of(lambda x, y: 0.03 * x - 0.02 * y)])
    return Road(torch.stack([torch.eye(4), tilted_road2bev]), heights, HEIGHT_GRID)


@pytest.fixture
def cameras(forward_camera, left_camera):
    return torch.stack([torch.stack([forward_camera, left_camera]), torch.stack([left_camera, forward_camera])])


def test_rise_by_hand():
    """Between the centres of two cells heights grow evenly; beyond the last centre they stay."""
    grid = BEVGrid((0, 4), (0, 2), 2.0)
    road = Road(translation(torch.tensor([10.0, 0, -1])), torch.tensor([[0.0, 1.0]]), grid)
    xy = torch.tensor([[11.0, 1.0], [12.0, 1.0], [12.5, 0.1], [13.0, 1.0], [100.0, -50.0], [-9.0, 1.0]])
    assert road.rise(xy).tolist() == pytest.approx([0, 0.5, 0.75, 1, 1, 0])
    assert lift_to_road(xy, road)[1].tolist() == [12.0, 1.0, -0.5]
    assert road.slope(xy)[1].tolist() == [0.5, 0]


def test_the_ground_of_a_tilted_frame_lies_at_its_heights(road):
    xy = GRID.cell_centers().flatten(0, 1)
    points = lift_to_road(xy, road)
    assert torch.equal(points[..., :2], xy.expand(2, -1, -1))
    on_road = transform_points(invert_rigid(road.road2bev), points)
    expected = 0.03 * on_road[1, :, 0] - 0.02 * on_road[1, :, 1]
    torch.testing.assert_close(on_road[1, :, 2], expected, atol=5e-3, rtol=0)  # where the ray along z meets it
    torch.testing.assert_close(height_over_road(points, road), torch.zeros(2, len(xy)), atol=1e-5, rtol=0)


def test_a_turned_or_mirrored_frame_keeps_the_heights(road):
    xy = GRID.cell_centers().flatten(0, 1)
    for old2new in (rotation_z(torch.tensor(0.4)), torch.diag(torch.tensor([1.0, -1, 1, 1]))):
        moved = Road(old2new @ road.road2bev, road.heights, road.grid)
        there = transform_points(old2new, lift_to_road(xy, road))
        torch.testing.assert_close(lift_to_road(there[..., :2], moved), there, atol=1e-4, rtol=0)


def test_a_scaled_frame_scales_the_heights(road):
    scale = torch.diag(torch.tensor([2.0, 2, 2, 1]))
    xy = GRID.cell_centers().flatten(0, 1)
    scaled = Road(scale @ road.road2bev, road.heights, road.grid)
    torch.testing.assert_close(scaled.rise(2 * xy), 2 * road.rise(xy), atol=1e-4, rtol=0)


def test_a_plane_is_a_plane_to_the_bit(cameras, tilted_road2bev):
    road2bev = torch.stack([torch.eye(4), tilted_road2bev])
    for plane in (Road(road2bev), Road(road2bev, torch.zeros(2, 0, 0))):
        assert plane.is_plane
        pairs = zip(
            vars(visible_cells(GRID, cameras, road2bev, SIZE, OFFSETS)).values(),
            vars(visible_cells(GRID, cameras, plane, SIZE, OFFSETS)).values(),
            strict=True,
        )
        assert all(torch.equal(a, b) for a, b in pairs)
        bev = torch.rand(2, 1, *GRID.shape)
        views = [reproject(bev, GRID, cameras, each, SIZE, 5) for each in (road2bev, plane)]
        assert all(torch.equal(a, b) for a, b in zip(*views, strict=True))


def test_cells_as_projected_point_by_point(cameras, road):
    cells = visible_cells(GRID, cameras, road, SIZE, OFFSETS)
    centers = GRID.cell_centers().flatten(0, 1)
    pixels, _, visible = project_points(lift_to_road(centers, road)[:, None], cameras, SIZE)
    sample, number, cell = visible.nonzero(as_tuple=True)
    assert torch.equal(cells.camera, sample * 2 + number)
    assert torch.equal(cells.cell, sample * len(centers) + cell)
    torch.testing.assert_close(cells.pixels[:, 0].mT, pixels[sample, number, cell], rtol=1e-4, atol=1e-3)
    for k in (1, 2):
        moved = lift_to_road(centers + OFFSETS[k], road)[:, None]
        near = (centers[cell].norm(dim=-1) > 4).nonzero()[:, 0]  # where a pixel is not all too small
        expected = project_points(moved, cameras, SIZE)[0][sample, number, cell]
        assert (cells.pixels[:, k, near].mT - expected[near]).norm(dim=-1).max() < 0.3
    flat = visible_cells(GRID, cameras, road.road2bev, SIZE, OFFSETS)
    assert len(flat.cell) != len(cells.cell)


def test_each_camera_may_have_its_own_road(cameras, road):
    both = Road.cat([road[:, None], road[[1, 0]][:, None]], 1)
    cells = visible_cells(GRID, cameras, both, SIZE, OFFSETS)
    for number, own in enumerate((road, road[[1, 0]])):
        alone = visible_cells(GRID, cameras[:, [number]], own, SIZE, OFFSETS)
        torch.testing.assert_close(cells.pixels[..., cells.camera % 2 == number], alone.pixels)


def test_a_ramp_of_heights_is_a_tilted_plane(cameras):
    """A road that rises by 4 % is the same as heights and as a plane, in pixels, areas and hits."""
    angle = torch.atan(torch.tensor(-0.04))
    plane = torch.eye(4)
    plane[0, 0] = plane[2, 2] = angle.cos()
    plane[0, 2], plane[2, 0] = angle.sin(), -angle.sin()
    plane = plane.repeat(2, 1, 1)
    heights = heights_of(lambda x, y: 0.04 * x).repeat(2, 1, 1)
    ramp = Road(torch.eye(4).repeat(2, 1, 1), heights, HEIGHT_GRID)
    expected, cells = (visible_cells(GRID, cameras, each, SIZE, OFFSETS) for each in (plane, ramp))
    torch.testing.assert_close(cells.pixels, expected.pixels, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(cells.area, expected.area, rtol=1e-3, atol=1e-5)
    bev = torch.rand(2, 1, *GRID.shape)
    (a, area_a, valid_a), (b, area_b, valid_b) = (
        reproject(bev, GRID, cameras, each, SIZE, 5) for each in (plane, ramp)
    )
    assert (valid_a == valid_b).float().mean() > 0.995
    both = valid_a & valid_b
    torch.testing.assert_close(area_b[both], area_a[both], rtol=1e-2, atol=1e-4)
    torch.testing.assert_close(b[:, 0][both], a[:, 0][both], rtol=0, atol=2e-2)


def test_pixels_meet_the_ground_that_projects_into_them(cameras, road):
    xy = torch.cartesian_prod(torch.linspace(5, 18, 9), torch.linspace(-4, 4, 5))
    pixels, _, visible = project_points(lift_to_road(xy, road[:1]), cameras[0, 0], SIZE)
    assert visible.all()
    found, area, valid = pixels_on_road(pixels[0], cameras[:1, 0], road[:1])
    assert valid.all() and (area > 0).all()
    torch.testing.assert_close(found[0], xy, atol=0.02, rtol=0)


def test_a_hill_hides_what_is_behind_it(forward_camera):
    """A bump of 1 m at x = 10, seen from 1.5 m: the ray to x = 15 on the flat meets it first."""
    bump = heights_of(lambda x, y: torch.exp(-(((x - 11) / 3) ** 2)))
    road = Road(torch.eye(4)[None], bump[None], HEIGHT_GRID)
    pixel = torch.tensor([[100.0, 50 + 100 * 1.5 / 15], [100.0, 20.0]])  # and one of the sky
    xy, area, valid = pixels_on_road(pixel, forward_camera[None], road)
    assert valid.tolist() == [[True, False]]
    assert 6 < xy[0, 0, 0] < 11
    assert xy[0, 1].tolist() == [0, 0] and area[0, 1] == 0


def test_gradients_and_batch_independence(cameras, road):
    bev = torch.rand(2, 1, *GRID.shape, requires_grad=True)
    values, area, valid = reproject(bev, GRID, cameras, road, SIZE, 10)
    values.sum().backward()
    assert bev.grad.isfinite().all() and (bev.grad > 0).any()
    for b in range(2):
        alone = reproject(bev[b : b + 1], GRID, cameras[b : b + 1], road[b : b + 1], SIZE, 10)
        torch.testing.assert_close(alone[0][0], values[b])
        assert torch.equal(alone[2][0], valid[b])
    assert area.isfinite().all()


def test_pillars_stand_on_the_ground(road):
    feet = points_over_road(GRID, torch.tensor([0.0, 1.5]), road)
    expected = lift_to_road(GRID.cell_centers().flatten(0, 1), road)
    torch.testing.assert_close(feet[:, :, 0], expected)
    torch.testing.assert_close(feet[:, :, 1, 2], expected[..., 2] + 1.5)


def test_history_of_a_vehicle_that_tilts():
    """The BEV frame dips by 0.1; what lay at x on a road that rises by 0.1 in it lies at x / cos(0.1) in the source."""
    angle = torch.tensor(0.1)
    target2source = torch.eye(4)
    target2source[0, 0] = target2source[2, 2] = angle.cos()
    target2source[0, 2], target2source[2, 0] = angle.sin(), -angle.sin()
    heights = heights_of(lambda x, y: x * angle.tan())
    road = Road(torch.eye(4)[None], heights[None], HEIGHT_GRID)
    x = GRID.cell_centers()[..., 0].expand(1, 1, *GRID.shape)
    warped, valid = warp_bev(x.clone(), GRID, target2source[None], road=road)
    inner = valid[0] & (GRID.cell_centers()[..., 0].abs() < 9)
    torch.testing.assert_close(warped[0, 0][inner], (x / angle.cos())[0, 0][inner], atol=0.01, rtol=0)


@pytest.mark.parametrize(
    ('heights', 'grid', 'message'),
    [
        (torch.zeros(2, 20, 30), None, 'need their grid'),
        (torch.zeros(2, 20, 31), HEIGHT_GRID, r'its grid is \(20, 30\)'),
        (torch.zeros(3, 20, 30), HEIGHT_GRID, r'one map for each road2bev of \(2, 4, 4\), got \(3, 20, 30\)'),
    ],
)
def test_heights_that_do_not_fit(heights, grid, message):
    with pytest.raises(ValueError, match=message):
        Road(torch.eye(4).repeat(2, 1, 1), heights, grid)
