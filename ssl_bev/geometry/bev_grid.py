"""BEV ranges, cell sizes and cell centres; no other code computes them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .constants import constant


@dataclass(frozen=True)
class BEVGrid:
    """A regular grid of square cells over the x, y plane.

    Convention: BEV tensors are (..., H, W). The column index grows with x, the row index grows with y, and the
    centre of cell (row i, column j) is (x_min + (j + 0.5) cell_size, y_min + (i + 0.5) cell_size).

    Args:
        x_range: lowest and highest x, metres.
        y_range: lowest and highest y, metres.
        cell_size: edge of a cell, metres; both ranges must be whole multiples of it.

    Raises:
        ValueError: an empty range, a cell size that is not positive, or a range that is no multiple of it.
    """

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    cell_size: float

    def __post_init__(self) -> None:
        if not self.cell_size > 0:
            raise ValueError(f'cell_size must be positive, got {self.cell_size}')
        for name in ('x_range', 'y_range'):
            low, high = getattr(self, name)
            object.__setattr__(self, name, (float(low), float(high)))
            if not high > low:
                raise ValueError(f'{name} must be (low, high) with low < high, got {(low, high)}')
            cells = (high - low) / self.cell_size
            if abs(cells - round(cells)) > 1e-6 * max(cells, 1):
                raise ValueError(
                    f'{name} {(low, high)} is {cells:.4f} cells of cell_size {self.cell_size} long; '
                    'choose a range that is a whole multiple of the cell size'
                )

    @classmethod
    def from_shape(
        cls,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        shape: tuple[int, int],
    ) -> BEVGrid:
        """The grid with this number of rows (along y) and columns (along x).

        Raises:
            ValueError: no rows or columns, an empty range, or cells that are not square.
        """
        rows, columns = shape
        if rows < 1 or columns < 1:
            raise ValueError(f'bev_shape (rows, columns) must be at least 1, got {(rows, columns)}')
        width, height = (x_range[1] - x_range[0]) / columns, (y_range[1] - y_range[0]) / rows
        if abs(width - height) > 1e-6 * abs(width):
            raise ValueError(
                f'bev_shape {(rows, columns)} (rows, columns) makes cells of {width:.4f} m along x and {height:.4f} m '
                f'along y over x_range {tuple(x_range)} and y_range {tuple(y_range)}; they must be square'
            )
        return cls(x_range, y_range, width)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows (along y) and columns (along x)."""
        return (
            round((self.y_range[1] - self.y_range[0]) / self.cell_size),
            round((self.x_range[1] - self.x_range[0]) / self.cell_size),
        )

    def with_cell_size(self, cell_size: float) -> BEVGrid:
        """The same area in other cells."""
        return BEVGrid(self.x_range, self.y_range, cell_size)

    def check(self, bev: Tensor) -> None:
        """Raise ValueError unless the last two dimensions of a map are this grid's rows and columns."""
        if tuple(bev.shape[-2:]) != self.shape:
            raise ValueError(f'bev is {tuple(bev.shape[-2:])} (rows, columns), its grid is {self.shape}')

    def cell_centers(
        self, device: torch.device | str | None = None, dtype: torch.dtype = torch.float32
    ) -> Tensor:  # (H, W, 2), metres
        """The (x, y) of each cell's centre."""
        rows, columns = (torch.arange(n, device=device, dtype=dtype) + 0.5 for n in self.shape)
        x = self.x_range[0] + columns * self.cell_size
        y = self.y_range[0] + rows * self.cell_size
        return torch.stack(torch.meshgrid(x, y, indexing='xy'), -1)

    def xy_to_cell(
        self,
        xy: Tensor,  # (..., 2), metres
    ) -> Tensor:  # (..., 2)
        """Fractional (column, row): k + 0.5 at the centre of cell k."""
        return (xy - constant((self.x_range[0], self.y_range[0]), xy)) / self.cell_size

    def cell_index(
        self,
        xy: Tensor,  # (..., 2), metres
    ) -> Tensor:  # (...), int64
        """Row-major index of the cell that contains a position; H * W, one beyond the last, outside and for NaN."""
        height, width = self.shape
        x, y = xy.unbind(-1)  # plain numbers below: a tensor of them would wait for the GPU
        column = ((x - self.x_range[0]) / self.cell_size).floor()
        row = ((y - self.y_range[0]) / self.cell_size).floor()
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        return torch.where(inside, row * width + column, height * width).long()

    def normalize(
        self,
        xy: Tensor,  # (..., 2), metres
    ) -> Tensor:  # (..., 2)
        """The [-1, 1] coordinates that `F.grid_sample(align_corners=False)` takes."""
        height, width = self.shape
        return self.xy_to_cell(xy) * constant((2 / width, 2 / height), xy) - 1

    def contains(
        self,
        xy: Tensor,  # (..., 2), metres
    ) -> Tensor:  # (...), bool
        """True inside the grid's area, edges included. NaN is outside."""
        return (self.normalize(xy).abs() <= 1).all(-1)
