import pytest
import torch

from ssl_bev.geometry import BEVGrid

GRID = BEVGrid(x_range=(-2, 4), y_range=(-1, 1), cell_size=0.5)


def test_shape_is_rows_by_columns():
    assert GRID.shape == (4, 12)
    assert BEVGrid((-30, 30), (-15, 15), 0.15).shape == (200, 400)  # 0.15 is not exact in binary


def test_cell_centers_by_hand():
    centers = GRID.cell_centers()
    assert centers.shape == (4, 12, 2)
    torch.testing.assert_close(centers[0, 0], torch.tensor([-1.75, -0.75]))
    torch.testing.assert_close(centers[3, 0], torch.tensor([-1.75, 0.75]))  # rows grow with y
    torch.testing.assert_close(centers[0, 11], torch.tensor([3.75, -0.75]))  # columns grow with x


def test_centers_read_back_their_own_cells():
    columns = torch.arange(12.0).expand(4, 12)
    rows = torch.arange(4.0)[:, None].expand(4, 12)
    cells = GRID.xy_to_cell(GRID.cell_centers())
    torch.testing.assert_close(cells, torch.stack([columns, rows], -1) + 0.5)
    sampled = torch.nn.functional.grid_sample(
        torch.stack([columns, rows])[None], GRID.normalize(GRID.cell_centers())[None], align_corners=False
    )
    torch.testing.assert_close(sampled[0], torch.stack([columns, rows]), atol=1e-5, rtol=0)


def test_from_shape_is_the_grid_of_that_many_cells():
    assert BEVGrid.from_shape((-2, 4), (-1, 1), (4, 12)) == GRID
    assert BEVGrid.from_shape([-30, 30], [-15, 15], [200, 400]).shape == (200, 400)


@pytest.mark.parametrize(
    ('shape', 'message'),
    [
        ((4, 4), r'bev_shape \(4, 4\) .* cells of 1\.5000 m along x and 0\.5000 m along y .* must be square'),
        ((0, 12), r'bev_shape \(rows, columns\) must be at least 1, got \(0, 12\)'),
    ],
)
def test_from_shape_wants_square_cells(shape, message):
    with pytest.raises(ValueError, match=message):
        BEVGrid.from_shape((-2, 4), (-1, 1), shape)


def test_cell_index_by_hand():
    # 4 rows of 12 cells of half a metre from (-2, -1); the lower edges belong to a cell, the upper ones do not.
    xy = torch.tensor([[-2.0, -1.0], [-1.4, -0.6], [-2.0, -0.5], [3.99, 0.99], [4.0, 0.0], [0.0, 1.0], [-2.01, 0.0]])
    assert GRID.cell_index(xy).tolist() == [0, 1, 12, 47, 48, 48, 48]
    assert GRID.cell_index(torch.tensor([[float('nan'), 0], [0, float('inf')]])).tolist() == [48, 48]


def test_cell_index_counts_the_centres():
    assert torch.equal(GRID.cell_index(GRID.cell_centers()), torch.arange(48).view(GRID.shape))


def test_contains_the_edges_but_not_beyond_nor_nan():
    xy = torch.tensor([[-2.0, -1.0], [4.0, 1.0], [4.01, 0.0], [0.0, -1.01], [float('nan'), 0.0]])
    assert GRID.contains(xy).tolist() == [True, True, False, False, False]


def test_other_cell_size_keeps_the_area():
    assert GRID.with_cell_size(0.25).shape == (8, 24)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(x_range=(0, 1), y_range=(0, 1), cell_size=0.3), r'x_range \(0, 1\) is 3.3333 cells of cell_size 0.3'),
        (dict(x_range=(0, 1), y_range=(0, 1.1), cell_size=0.5), 'y_range'),
        (dict(x_range=(1, 1), y_range=(0, 1), cell_size=0.5), 'low < high'),
        (dict(x_range=(0, 1), y_range=(0, 1), cell_size=0), 'cell_size must be positive'),
    ],
)
def test_bad_grids_say_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        BEVGrid(**arguments)


def test_with_cell_size_checks_the_multiple():
    with pytest.raises(ValueError, match='x_range'):
        GRID.with_cell_size(0.7)
