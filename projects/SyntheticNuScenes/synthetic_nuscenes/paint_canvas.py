"""A raster of road paint: which paint covers each cell, how much of it, and how strongly."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from shapely.geometry import LineString, Polygon

from .class_names import CLASS_NAMES

_SUB = 4  # sub-cells per cell and axis when a shape is drawn
_SHIFT = 4
WHITE = (222.0, 226.0, 228.0)  # BGR albedo in 1/255
YELLOW = (92.0, 190.0, 226.0)


@dataclass(frozen=True)
class Paint:
    """A kind of paint: its class and its colour."""

    class_name: str
    colour: tuple[float, float, float] = WHITE  # BGR


class PaintCanvas:
    """Coverage of paint over a rectangle of the ground.

    Convention: cell (row, col) has its centre at ``origin + (col + 0.5, row + 0.5) * resolution``; rows grow with y.

    Args:
        origin: (2,) world metres of the corner with the lowest x and y.
        shape: (rows, columns).
        resolution: Edge of a cell in metres.
    """

    def __init__(self, origin: np.ndarray, shape: tuple[int, int], resolution: float) -> None:
        self.origin = np.asarray(origin, dtype=np.float64)
        self.resolution = resolution
        self.cover = np.zeros(shape, np.uint8)  # share of the cell that belongs to the marking
        self.tint = np.zeros(shape, np.uint8)  # share times strength of the paint
        self.style = np.zeros(shape, np.uint8)  # index into styles
        self.styles: list[Paint] = [Paint('Unlabeled')]

    def class_table(self) -> np.ndarray:
        """Return the (256,) table from style to class id, 0 for no paint."""
        table = np.zeros(256, np.uint8)
        for index, paint in enumerate(self.styles[1:], start=1):
            table[index] = CLASS_NAMES.index(paint.class_name)
        return table

    def polygon(self, points: np.ndarray, paint: Paint, strength: float, *, labelled: bool = True) -> None:
        """Paint the polygon ``points`` (N, 2) metres; strength 0 marks the area without colouring it."""
        cells = (np.asarray(points)[:, :2] - self.origin) / self.resolution
        low = np.floor(cells.min(0)).astype(int)
        high = np.ceil(cells.max(0)).astype(int)
        rows, cols = self.cover.shape
        if high[0] <= 0 or high[1] <= 0 or low[0] >= cols or low[1] >= rows:
            return
        width, height = np.maximum(high - low, 1)
        mask = np.zeros((height * _SUB, width * _SUB), np.uint8)
        local = np.round(((cells - low) * _SUB - 0.5) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(mask, [local], 255, shift=_SHIFT)
        self._blend(
            cv2.resize(mask, (int(width), int(height)), interpolation=cv2.INTER_AREA),
            low,
            paint,
            strength,
            labelled,
        )

    def stroke(self, points: np.ndarray, width: float, paint: Paint, strength: float, *, labelled: bool = True) -> None:
        """Paint a line of ``width`` metres along ``points`` (N, 2), with square ends at its two points."""
        if len(points) < 2:
            return
        # OpenCV fills every cell that the outline touches, which widens shapes by about a sub-cell
        half = max(width - self.resolution / _SUB, self.resolution / _SUB) / 2
        shape = LineString(points).buffer(half, cap_style='flat', join_style='bevel')
        for part in getattr(shape, 'geoms', [shape]):
            if isinstance(part, Polygon) and not part.is_empty:
                self.polygon(np.asarray(part.exterior.coords), paint, strength, labelled=labelled)

    def stamp(
        self,
        glyph: np.ndarray,
        corner: np.ndarray,
        right: np.ndarray,
        down: np.ndarray,
        paint: Paint,
        strength: float,
    ) -> None:
        """Paint a picture.

        Args:
            glyph: (h, w) uint8 coverage.
            corner: (2,) world metres of the picture's top left.
            right: (2,) world vector along the picture's width; ``down`` (2,) along its height.
            paint: What to paint with.
            strength: 0..1.
        """
        corners = np.stack([corner, corner + right, corner + down, corner + right + down])
        cells = (corners - self.origin) / self.resolution
        low, high = np.floor(cells.min(0)).astype(int), np.ceil(cells.max(0)).astype(int)
        width, height = np.maximum(high - low, 1)
        source = np.float32([[0, 0], [glyph.shape[1], 0], [0, glyph.shape[0]]]) - 0.5
        target = np.float32((cells[:3] - low) * _SUB - 0.5)
        affine = cv2.getAffineTransform(source, target)
        mask = cv2.warpAffine(glyph, affine, (int(width) * _SUB, int(height) * _SUB), flags=cv2.INTER_LINEAR)
        self._blend(
            cv2.resize(mask, (int(width), int(height)), interpolation=cv2.INTER_AREA),
            low,
            paint,
            strength,
            True,
        )

    def _blend(self, mask: np.ndarray, low: np.ndarray, paint: Paint, strength: float, labelled: bool) -> None:
        """Lay a coverage patch whose first cell is ``low`` (col, row) over the canvas."""
        rows, cols = self.cover.shape
        c0, r0 = max(low[0], 0), max(low[1], 0)
        c1, r1 = min(low[0] + mask.shape[1], cols), min(low[1] + mask.shape[0], rows)
        if c1 <= c0 or r1 <= r0:
            return
        mask = mask[r0 - low[1] : r1 - low[1], c0 - low[0] : c1 - low[0]]
        window = np.s_[r0:r1, c0:c1]
        tint = (mask * min(strength, 1.0)).astype(np.uint8)
        wins = (mask > 0) & ((mask >= self.cover[window]) | (tint > self.tint[window]))
        self.style[window][wins] = self._style_index(paint)
        np.maximum(self.tint[window], tint, out=self.tint[window])
        if labelled:
            np.maximum(self.cover[window], mask, out=self.cover[window])

    def _style_index(self, paint: Paint) -> int:
        if paint not in self.styles:
            self.styles.append(paint)
        return self.styles.index(paint)
