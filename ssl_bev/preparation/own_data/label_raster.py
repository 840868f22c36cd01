"""BEV labels as a raster of the ground, and their values on a BEV grid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ssl_bev.geometry import BEVGrid, Road
from ssl_bev.targets import IGNORE

from ..map_ground import MapGround


class LabelRaster(NamedTuple):
    """Classes of an area of the ground.

    Attributes:
        layers: (K, rows, columns) uint8: 1 = the class is present, 0 = absent, 255 = unknown.
        classes: the K names.
        lines: those of them that are lines.
        x_min, y_min: lower corner of the area, metres.
        resolution: edge of a cell, metres. Cell (row, column) covers x_min + resolution * [column, column + 1), and the
            same for y: row 0 is the lowest y.
    """

    layers: np.ndarray
    classes: tuple[str, ...]
    lines: frozenset[str]
    x_min: float
    y_min: float
    resolution: float

    def cut(
        self,
        grid: BEVGrid,
        bev2global: np.ndarray,  # (4, 4)
        road: Road | np.ndarray,  # or road2bev (4, 4)
    ) -> np.ndarray:  # (K, H, W) uint8, 1, 0 or 255 = unknown
        """The classes in the cells of a grid.

        Points are spread over each cell, no further apart than the cells of the raster. A cell is unknown if less
        than half of its points are known. It has an area if at least half of the known points have it, a line if any
        has it.

        Args:
            grid: of the labels.
            bev2global: pose of its frame in that of the raster.
            road: the ground in the frame of the grid.
        """
        count = max(1, int(np.ceil(grid.cell_size / self.resolution - 1e-9)))
        offsets = ((np.arange(count) + 0.5) / count - 0.5) * grid.cell_size
        ground = MapGround(bev2global, road)
        centers = grid.cell_centers().double().numpy()
        known, there = np.zeros((2, len(self.layers), *grid.shape), np.int32)
        for offset in np.stack(np.meshgrid(offsets, offsets), -1).reshape(-1, 2):
            values = self._at(ground.to_map(centers + offset))
            known += values != IGNORE
            there += values == 1
        is_line = np.array([name in self.lines for name in self.classes])[:, None, None]
        labels = ((there > 0) & (is_line | (2 * there >= known))).astype(np.uint8)
        labels[2 * known < count**2] = IGNORE
        return labels

    def _at(self, xy: np.ndarray) -> np.ndarray:  # (H, W, 2) -> (K, H, W)
        column, row = np.moveaxis(np.floor((xy - (self.x_min, self.y_min)) / self.resolution).astype(np.int64), -1, 0)
        rows, columns = self.layers.shape[1:]
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        values = self.layers[:, row.clip(0, rows - 1), column.clip(0, columns - 1)]
        return np.where(inside, values, IGNORE)
