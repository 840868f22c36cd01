"""The part of a BEV map that covers a smaller area."""

from __future__ import annotations

import math

from torch import Tensor

from .bev_grid import BEVGrid
from .warp import sample_bev

_TOLERANCE = 1e-4  # metres, and cells: ranges of configs are written by hand


def cut_area(
    bev: Tensor,  # (B, C, h, w)
    grid: BEVGrid,
    area: BEVGrid,
) -> Tensor:  # (B, C, h', w')
    """Cut the area of another grid out of a map, with cells about as large as they are.

    If the edges of the area are edges of cells, this is a slice. Otherwise the map is interpolated to whole numbers of
    rows and columns, in the aspect ratio of `area`.

    Args:
        bev: map on `grid`.
        grid: range and cells of the map.
        area: the range to cut out; of its cells, only the aspect ratio of rows and columns matters.

    Raises:
        ValueError: the map is not on its grid, or the area reaches beyond it.
    """
    grid.check(bev)
    check_area(grid.x_range, grid.y_range, area)
    left, right = ((x - grid.x_range[0]) / grid.cell_size for x in area.x_range)
    low, high = ((y - grid.y_range[0]) / grid.cell_size for y in area.y_range)
    if all(abs(edge - round(edge)) < _TOLERANCE for edge in (left, right, low, high)):
        return bev[..., round(low) : round(high), round(left) : round(right)]
    height, width = area.shape
    unit = math.gcd(height, width)
    times = max(1, round((right - left) * unit / width))
    cells = BEVGrid.from_shape(area.x_range, area.y_range, (height // unit * times, width // unit * times))
    return sample_bev(bev, grid, cells.cell_centers(bev.device).expand(len(bev), -1, -1, -1))


def check_area(x_range: tuple[float, float], y_range: tuple[float, float], area: BEVGrid) -> None:
    """Check that the area of a grid lies within a range.

    Raises:
        ValueError: it reaches beyond it.
    """
    for name, (low, high), wanted in (('x_range', x_range, area.x_range), ('y_range', y_range, area.y_range)):
        if wanted[0] < low - _TOLERANCE or wanted[1] > high + _TOLERANCE:
            raise ValueError(f'the {name} {wanted} of the grid reaches beyond {(low, high)}, where the map ends')
