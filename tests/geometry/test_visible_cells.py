import pytest
import torch

from ssl_bev.geometry import BEVGrid, lift_to_road, project_points, rotation_z, translation, visible_cells

GRID = BEVGrid(x_range=(-10, 20), y_range=(-10, 10), cell_size=0.5)
SIZE = (40, 80)
OFFSETS = torch.tensor([[0.0, 0.0], [0.2, 0.0], [-0.1, 0.25]])


def camera(yaw=0.0):
    """1.5 m above the road, looking along x, turned to the left."""
    forward = torch.tensor([[40.0, 0, 40, 0], [0, 40, 15, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ torch.tensor(
        [[0.0, -1, 0, 0], [0, 0, -1, 1.5], [1, 0, 0, 0], [0, 0, 0, 1]]
    )
    return forward @ rotation_z(torch.tensor(-yaw))


@pytest.fixture
def cameras():
    return torch.stack([torch.stack([camera(), camera(1.0)]), torch.stack([camera(2.0), camera(-0.5)])])


@pytest.fixture
def road():
    """One road on z = 0, one lower and tilted, as in a lidar frame."""
    tilt = torch.tensor([[1.0, 0, 0.02, 0], [0, 1, 0, 0], [-0.02, 0, 1, 0], [0, 0, 0, 1]])
    return torch.stack([torch.eye(4), translation(torch.tensor([0.0, 0, -0.5])) @ tilt])


def test_a_cell_by_hand(cameras):
    """The cell at (10.25, 0.25): depth 10.25, so u = 40 - 40 * 0.25 / 10.25 and v = 15 + 40 * 1.5 / 10.25."""
    cells = visible_cells(GRID, cameras[:1, :1], torch.eye(4)[None], SIZE, OFFSETS)
    row, column = 20, 40
    at = (cells.cell == row * GRID.shape[1] + column).nonzero().item()
    expected = torch.tensor(
        [[40 - 40 * y / x, 15 + 40 * 1.5 / x] for x, y in ((10.25, 0.25), (10.45, 0.25), (10.15, 0.5))]
    )
    torch.testing.assert_close(cells.pixels[..., at].mT, expected)
    # A pixel is 10.25 / 40 m wide and spans d(1.5 f / depth) = 1: depth^2 / (1.5 f) m along the road.
    assert cells.area[at].item() == pytest.approx(10.25 / 40 * 10.25**2 / 60, rel=1e-5)


def test_every_pair_and_no_other_as_projected_point_by_point(cameras, road):
    cells = visible_cells(GRID, cameras, road, SIZE, OFFSETS)
    centers = GRID.cell_centers().flatten(0, 1)
    for k, offset in enumerate(OFFSETS):
        points = lift_to_road(centers + offset, road)[:, None]
        pixels, _, visible = project_points(points, cameras, SIZE)
        if k == 0:
            sample, number, cell = visible.nonzero(as_tuple=True)
            assert torch.equal(cells.camera, sample * 2 + number)
            assert torch.equal(cells.cell, sample * len(centers) + cell)
        torch.testing.assert_close(cells.pixels[:, k].mT, pixels[sample, number, cell], rtol=1e-4, atol=1e-3)


def test_nothing_in_sight(cameras, road):
    away = cameras.clone()
    away[..., 1, :] += 1e4 * away[..., 2, :]
    cells = visible_cells(GRID, away, road, SIZE, OFFSETS)
    assert cells.pixels.shape == (2, 3, 0) and cells.area.shape == cells.camera.shape == (0,)


def test_autocast_rounds_nothing(cameras, road):
    expected = visible_cells(GRID, cameras, road, SIZE, OFFSETS)
    with torch.autocast('cpu', torch.bfloat16):
        cells = visible_cells(GRID, cameras, road, SIZE, OFFSETS)
    torch.testing.assert_close(cells.pixels, expected.pixels)
