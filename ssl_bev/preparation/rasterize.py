"""BEV labels from map geometry.

A cell belongs to a class if its *centre* lies in the area of the class; the area of a line is everything within half
its width in metres. Centres lie on the ground of the frame, so labels and reprojected pixels refer to the same ground.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ssl_bev.geometry import BEVGrid, Road

from .map_geometry import BASE_CLASSES, ClassSpec, MapGeometry
from .map_ground import MapGround


class MapRasterizer:
    """Draws the classes of one map; the map is prepared once, each frame then takes some milliseconds.

    Args:
        geometry: the map.
        grid: BEV cells.
        classes: of the labels.
        line_width: metres, for classes that do not set their own.

    Raises:
        ValueError: a line width that is not positive, or a class that the map cannot give.
    """

    def __init__(
        self,
        geometry: MapGeometry,
        grid: BEVGrid,
        classes: Sequence[ClassSpec] = BASE_CLASSES,
        line_width: float = 0.5,
    ) -> None:
        if line_width <= 0:
            raise ValueError(f'line_width must be positive (metres), got {line_width}')
        self.grid = grid
        self.classes = tuple(classes)
        self._shapes = [geometry.shapes(spec, line_width) for spec in self.classes]

    def __call__(
        self,
        bev2global: np.ndarray,  # (4, 4)
        road: Road | np.ndarray,  # or road2bev (4, 4)
    ) -> np.ndarray:  # (K, H, W) bool
        """The classes around one BEV frame, at the positions above or below their ground."""
        ground = MapGround(bev2global, road)
        corners = ground.to_map(np.array([(x, y) for x in self.grid.x_range for y in self.grid.y_range]))
        bounds = (*corners.min(0), *corners.max(0))
        low = np.array([self.grid.x_range[0], self.grid.y_range[0]])
        masks = np.zeros((len(self.classes), *self.grid.shape), bool)
        for mask, shapes in zip(masks, self._shapes, strict=True):
            points = shapes.near(bounds).reshape(-1, 2)
            cells = (ground.to_bev(points) - low) / self.grid.cell_size
            mask[:] = fill_polygons(cells.reshape(-1, 4), self.grid.shape)
        return masks


def fill_polygons(
    edges: np.ndarray,  # (E, 4), x0 y0 x1 y1 in cells
    shape: tuple[int, int],
) -> np.ndarray:  # (H, W) bool
    """True for each cell whose centre (column + 0.5, row + 0.5) lies in the union of the polygons.

    Each edge that crosses the line through a row's centres changes the winding number of all centres to its right;
    a running sum along the row then gives every winding number at once. Exteriors must run counter-clockwise (x to
    y), holes clockwise.
    """
    height, width = shape
    low, high = np.minimum(edges[:, 1], edges[:, 3]), np.maximum(edges[:, 1], edges[:, 3])
    # Rows whose centre line y = row + 0.5 is in [low, high): each vertex counts once, level edges never.
    first = np.clip(np.ceil(low - 0.5), 0, height).astype(np.int64)
    stop = np.clip(np.ceil(high - 0.5), 0, height).astype(np.int64)
    crossings = np.maximum(stop - first, 0)
    edge = np.repeat(np.arange(len(edges)), crossings)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(crossings) - crossings, crossings) + first[edge]
    x0, y0, x1, y1 = edges[edge].T
    x = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    column = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
    winding = np.zeros((height, width + 1), np.int32)
    # A centre to the right of a rising edge of a counter-clockwise ring has left the polygon.
    np.add.at(winding, (row, column), np.where(y1 > y0, -1, 1))
    return np.cumsum(winding, 1)[:, :width] != 0
