"""The finished ground of one scene: surface and paint, prefiltered for every viewing distance."""

from __future__ import annotations

import cv2
import numpy as np

from .distractors import paint_edge_lines, paint_lane_symbols
from .map_layers import MapLayers
from .paint import paint_crossings, paint_dividers, paint_stop_lines
from .paint_canvas import PaintCanvas
from .paint_style import TownStyle, token_rng
from .surface import MANHOLE, PARKING, ROAD, TERRAIN, TERRAIN_COLOUR, Surface

_LEVELS = 6
_RESOLUTION = 0.05
_MAX_CELLS = 6e7


class Ground:
    """Colour and classes of the ground, at power-of-two resolutions.

    Convention: as `PaintCanvas`; level ``l`` has cells of ``resolution * 2**l`` metres. ``resolution`` is 0.05 m,
        coarser if the bounds hold more than 60 million cells.

    Args:
        layers: The map around the scene.
        seed: Chooses customs, wear and textures.
        distractors: Whether to paint edge lines, arrows, words and hatching as well.
        worn: Whether paint is worn; without wear, everything in the map is there in full.
    """

    def __init__(self, layers: MapLayers, seed: int, *, distractors: bool = True, worn: bool = True) -> None:
        x0, y0, x1, y1 = layers.bounds
        resolution = max(_RESOLUTION, float(np.sqrt((x1 - x0) * (y1 - y0) / _MAX_CELLS)))
        step = 1 << (_LEVELS - 1)
        rows, cols = (int(np.ceil(d / resolution / step)) * step for d in (y1 - y0, x1 - x0))
        self.origin = np.array([x0, y0])
        self.resolution = resolution
        self.style = TownStyle.draw(seed)
        canvas = PaintCanvas(self.origin, (rows, cols), resolution)
        paint_dividers(canvas, layers, self.style, seed, worn=worn)
        if distractors:
            paint_edge_lines(canvas, layers, self.style, seed)
            paint_lane_symbols(canvas, layers, seed)
        paint_crossings(canvas, layers, self.style, seed, worn=worn)
        paint_stop_lines(canvas, layers, seed, worn=worn)
        surface = Surface(layers, self.style, seed, self.origin, (rows, cols), resolution)
        _apply_paint(canvas, surface, seed, worn=worn)
        paint_ids = cv2.LUT(canvas.style, canvas.class_table())
        self._build_pyramid(surface, canvas.cover, paint_ids)

    @property
    def levels(self) -> int:
        """Number of resolutions."""
        return len(self._colour)

    def sample(self, level: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look up world points.

        Args:
            level: Of the pyramid.
            points: (h, w, 2) world metres.

        Returns:
            (h, w, 4) uint8: BGR albedo and paint coverage, interpolated; and (h, w, 2) uint8: class id of the surface,
            and of the paint there or close by (0: none).
        """
        cells = (points - self.origin) * (1 / (self.resolution * (1 << level))) - 0.5
        column, row = (np.clip(cells[..., i], -1e4, 3e4).astype(np.float32) for i in (0, 1))
        border = (*TERRAIN_COLOUR, 0)
        colour = cv2.remap(self._colour[level], column, row, cv2.INTER_LINEAR, borderValue=border)
        return colour, cv2.remap(self._ids[level], column, row, cv2.INTER_NEAREST, borderValue=(TERRAIN, 0))

    def _build_pyramid(self, surface: Surface, cover: np.ndarray, paint_ids: np.ndarray) -> None:
        """Average colours and coverage; keep a surface class and a paint class per coarse cell."""
        self._colour = [cv2.merge([*cv2.split(surface.albedo), cover])]
        self._ids = [cv2.merge([surface.classes, paint_ids])]
        for _ in range(1, _LEVELS):
            fine, ids = self._colour[-1], self._ids[-1]
            half = (fine.shape[1] // 2, fine.shape[0] // 2)
            self._colour.append(cv2.resize(fine, half, interpolation=cv2.INTER_AREA))
            paint = ids[..., 1]
            paint = np.maximum(
                np.maximum(paint[::2, ::2], paint[1::2, ::2]), np.maximum(paint[::2, 1::2], paint[1::2, 1::2])
            )
            self._ids.append(cv2.merge([np.ascontiguousarray(ids[::2, ::2, 0]), paint]))


def _apply_paint(canvas: PaintCanvas, surface: Surface, seed: int, *, worn: bool) -> None:
    """Colour the painted cells of the surface, through wear in blotches; paint that is gone loses its class."""
    paintable = np.zeros(256, np.uint8)
    paintable[[ROAD, PARKING, MANHOLE]] = 255
    on_road = cv2.LUT(surface.classes, paintable)
    cv2.bitwise_and(canvas.cover, on_road, canvas.cover)
    cv2.bitwise_and(canvas.tint, on_road, canvas.tint)
    index = np.flatnonzero(canvas.tint)
    alpha = canvas.tint.ravel()[index].astype(np.float32) / 255
    if worn:
        wear = _wear(canvas.cover.shape, index, canvas.resolution, seed)
        cover = canvas.cover.ravel()
        gone = wear < 0.2
        cover[index[gone]] = 0
        alpha *= wear
    colours = np.array([paint.colour for paint in canvas.styles], np.float32)[canvas.style.ravel()[index]]
    albedo = surface.albedo.reshape(-1, 3)
    # Paint takes on some of the grain beneath it
    grain = albedo[index].mean(1, keepdims=True) / 97.0
    painted = colours * np.clip(0.75 + 0.25 * grain, 0.8, 1.1)
    albedo[index] = np.clip(albedo[index] * (1 - alpha[:, None]) + painted * alpha[:, None], 0, 255).astype(np.uint8)


def _wear(shape: tuple[int, int], index: np.ndarray, resolution: float, seed: int) -> np.ndarray:
    """Return the share (N,) of paint that is left at the cells ``index``: blotches of metres, and grain."""
    rows, cols = shape
    rng = token_rng(seed, 'wear')
    metres = np.array([rows, cols]) * resolution
    total = np.zeros(len(index), np.float32)
    row, col = (index // cols).astype(np.float32), (index % cols).astype(np.float32)
    for scale, weight in ((5.0, 0.55), (0.9, 0.35), (0.25, 0.3)):
        size = np.maximum((metres / scale).astype(int), 2) + 2
        noise = rng.normal(0, 1, size).astype(np.float32)
        at = [np.ascontiguousarray(a * resolution / scale).reshape(-1, 1) for a in (col, row)]
        total += weight * _remap_long(noise, *at)
    return np.clip(1.08 - 0.42 * np.maximum(total - 0.1, 0) - 0.55 * np.maximum(total - 0.8, 0), 0, 1)


def _remap_long(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Interpolate at any number of places; OpenCV limits the rows of one call."""
    block = 30000
    parts = [
        cv2.remap(image, x[i : i + block], y[i : i + block], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        for i in range(0, len(x), block)
    ]
    return np.concatenate(parts).ravel() if parts else np.zeros(0, np.float32)
