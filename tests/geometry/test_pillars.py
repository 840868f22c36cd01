"""Points over the road stand above the cells' centres."""

import pytest
import torch

from ssl_bev.geometry import BEVGrid, invert_rigid, points_over_road, transform_points, translation

GRID = BEVGrid((-2, 4), (0, 4), 2)  # 2 rows, 3 columns
HEIGHTS = torch.tensor([-0.5, 0.0, 2.0])


def test_points_by_hand():
    points = points_over_road(GRID, HEIGHTS)
    assert points.shape == (1, 6, 3, 3)
    assert points[0, 0].tolist() == [[-1, 1, -0.5], [-1, 1, 0], [-1, 1, 2]]
    assert points[0, 1, 0].tolist() == [1, 1, -0.5]  # x first: rows are y
    assert points[0, 3, 0].tolist() == [-1, 3, -0.5]


def test_each_sample_has_its_own_road(tilted_road2bev):
    low = translation(torch.tensor([0.0, 0, -1.84]))
    points = points_over_road(GRID, HEIGHTS, torch.stack([low, tilted_road2bev]))
    flat = points_over_road(GRID, HEIGHTS)[0]
    assert torch.equal(points[..., :2], flat[..., :2].expand(2, -1, -1, -1))
    torch.testing.assert_close(points[0, ..., 2], flat[..., 2] - 1.84)
    feet = transform_points(invert_rigid(tilted_road2bev), points[1, :, 1])
    torch.testing.assert_close(feet[:, 2], torch.zeros(6), atol=1e-5, rtol=0)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_road_of_any_precision(dtype):
    road2bev = torch.eye(4, dtype=dtype)[None]
    torch.testing.assert_close(points_over_road(GRID, HEIGHTS, road2bev), points_over_road(GRID, HEIGHTS))
