import pytest
import torch

from ssl_bev.geometry import BEVGrid, cut_area


def positions(grid):
    """A map that says where its cells are: x and y of the centre."""
    return grid.cell_centers().permute(2, 0, 1)[None].repeat(2, 1, 1, 1)


def test_whole_cells_are_a_slice():
    """+--------+  4 rows of 8 columns; the area is the middle 2 rows of the last 4.
    |    ####|
    +--------+"""
    grid = BEVGrid((-8, 8), (-4, 4), 2.0)
    area = BEVGrid((0, 8), (-2, 2), 0.5)
    bev = positions(grid)
    cut = cut_area(bev, grid, area)
    assert torch.equal(cut, bev[:, :, 1:3, 4:8])
    assert cut_area(bev, grid, BEVGrid((-8, 8), (-4, 4), 1.0)).data_ptr() == bev.data_ptr()


def test_elsewhere_it_is_interpolated_where_its_cells_are():
    grid = BEVGrid((-32, 32), (-32, 32), 0.8)
    area = BEVGrid((-30, 30), (-15, 15), 0.25)
    cut = cut_area(positions(grid), grid, area)
    assert cut.shape == (2, 2, 38, 76)  # as fine as 0.8 m, in the aspect of 120 x 240
    expected = positions(BEVGrid.from_shape((-30, 30), (-15, 15), (38, 76)))
    torch.testing.assert_close(cut, expected, atol=1e-4, rtol=0)


def test_features_get_their_gradient():
    grid = BEVGrid((-2, 2), (-2, 2), 1.0)
    bev = torch.rand(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    for area in (BEVGrid((-1, 1), (-2, 0), 1.0), BEVGrid((-1.5, 0.5), (-1.5, 1.5), 0.5)):
        assert torch.autograd.gradcheck(lambda b, area=area: cut_area(b, grid, area), bev)


def test_an_area_beyond_the_map_is_refused():
    grid = BEVGrid((-2, 2), (-2, 2), 1.0)
    with pytest.raises(ValueError, match=r'x_range \(-3.0, 1.0\) of the grid reaches beyond \(-2.0, 2.0\)'):
        cut_area(torch.zeros(1, 1, 4, 4), grid, BEVGrid((-3, 1), (-1, 1), 1.0))
    with pytest.raises(ValueError, match='its grid is'):
        cut_area(torch.zeros(1, 1, 4, 5), grid, BEVGrid((-1, 1), (-1, 1), 1.0))
