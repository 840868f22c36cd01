"""The ground without paint: its surface classes and their appearance."""

from __future__ import annotations

import cv2
import numpy as np
from shapely.geometry import LineString, Polygon

from .class_names import class_id
from .map_layers import MapLayers
from .paint_style import TownStyle, token_rng

ROAD, PARKING, SIDEWALK, TERRAIN, CURB = (class_id(n) for n in ('Road', 'Parking', 'Sidewalk', 'Terrain', 'Curb'))
MANHOLE = class_id('Manhole')
TERRAIN_COLOUR = (62, 98, 92)  # BGR of the distant ground
_TILE = 512  # cells; textures repeat after that
_SHIFT = 6
_STRIP = 512  # rows that are coloured at a time


class Surface:
    """Class ids and colour of the bare ground.

    Args:
        layers: The map.
        style: Customs of the town.
        seed: Chooses textures and damage.
        origin: (2,) world metres of the lowest corner.
        shape: (rows, columns).
        resolution: Edge of a cell in metres.

    Attributes:
        classes: (rows, columns) uint8 class ids.
        albedo: (rows, columns, 3) uint8 BGR.
    """

    def __init__(
        self,
        layers: MapLayers,
        style: TownStyle,
        seed: int,
        origin: np.ndarray,
        shape: tuple[int, int],
        resolution: float,
    ) -> None:
        self._origin, self._resolution, self._seed = origin, resolution, seed
        self.classes = np.full(shape, TERRAIN, np.uint8)
        for layer, value in (('walkway', SIDEWALK), ('carpark_area', PARKING)):
            for area in layers.areas(layer):
                self.fill(self.classes, area.shape, value)
        for polygon in layers.drivable:
            self.fill(self.classes, polygon, ROAD)
        self._tone = np.full(shape, 128, np.uint8)
        self._paint_tones(layers)
        kerb = self._kerb(layers, style)
        self.albedo = np.empty((*shape, 3), np.uint8)
        self._colour(kerb)

    def cells(self, points: np.ndarray) -> np.ndarray:
        """Return fixed-point coordinates (1, N, 2) of world points (N, 2), for OpenCV's drawing functions."""
        cells = (np.asarray(points)[:, :2] - self._origin) / self._resolution - 0.5
        return np.round(cells * (1 << _SHIFT)).astype(np.int32)[None]

    def fill(self, canvas: np.ndarray, polygon: Polygon, value: int) -> None:
        """Fill a polygon, without its holes, with one value."""
        rings = [polygon.exterior, *polygon.interiors]
        cv2.fillPoly(canvas, [self.cells(ring.coords)[0] for ring in rings], value, shift=_SHIFT)

    def line(self, canvas: np.ndarray, points: np.ndarray, width: float, value: int) -> None:
        """Draw a line of about ``width`` metres with one value."""
        thickness = max(round(width / self._resolution), 1)
        cv2.polylines(canvas, self.cells(points), False, value, thickness, cv2.LINE_8, _SHIFT)

    def _paint_tones(self, layers: MapLayers) -> None:
        """Give road segments different tarmac, then add patches, trenches, cracks and a dark gutter."""
        for area in layers.areas('road_segment'):
            tone = 128 + int(token_rng(self._seed, 'tone', area.token).normal(0, 12))
            self.fill(self._tone, area.shape, int(np.clip(tone, 100, 160)))
        for area in layers.areas('road_segment'):
            self._damage(area.shape, token_rng(self._seed, 'damage', area.token))
        for ring in layers.borders:
            self.line(self._tone, ring, 0.5, 92)

    def _damage(self, shape: Polygon, rng: np.random.Generator) -> None:
        """Draw repair patches, cracks and manholes on one stretch of road."""
        x0, y0, x1, y1 = shape.bounds
        for _ in range(rng.poisson(min(shape.area / 150, 12))):
            centre = rng.uniform([x0, y0], [x1, y1])
            angle = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.3)
            axis = np.array([np.cos(angle), np.sin(angle)])
            half = rng.uniform([0.5, 0.3], [5.0, 1.4])
            normal = np.array([-axis[1], axis[0]])
            corners = [
                centre + a * half[0] * axis + b * half[1] * normal for a, b in ((1, 1), (-1, 1), (-1, -1), (1, -1))
            ]
            self.fill(self._tone, Polygon(corners), int(rng.choice([88, 100, 108, 146, 156])))
        for _ in range(rng.poisson(min(shape.area / 120, 15))):
            walk = np.cumsum(rng.normal(0, 0.35, (int(rng.integers(5, 30)), 2)) + rng.normal(0, 0.25, 2), axis=0)
            self.line(self._tone, rng.uniform([x0, y0], [x1, y1]) + walk, 0.05, 62)
        for _ in range(rng.poisson(min(shape.area / 500, 4))):
            centre = rng.uniform([x0, y0], [x1, y1])
            circle = centre + 0.35 * np.stack([np.cos(t := np.linspace(0, 2 * np.pi, 16)), np.sin(t)], 1)
            if shape.contains(Polygon(circle)):
                self.fill(self._tone, Polygon(circle), 70)
                self.fill(self.classes, Polygon(circle), MANHOLE)

    def _kerb(self, layers: MapLayers, style: TownStyle) -> np.ndarray:
        """Lay kerb stones around the drivable ground; returns their brightness (rows, columns), 0 elsewhere."""
        kerb = np.zeros_like(self.classes)
        for ring in layers.borders:
            outer = LineString(ring).segmentize(1.0)
            points = np.asarray(outer.coords)
            self.line(kerb, points, 0.44, 176)
            if style.kerb_is_striped:
                for i in range(0, len(points) - 1, 2):
                    self.line(kerb, points[i : i + 2], 0.44, 56)
            self.line(kerb, points, 0.14, 96)  # the shaded face towards the road
        kerb[(self.classes != TERRAIN) & (self.classes != SIDEWALK)] = 0
        self.classes[kerb > 0] = CURB
        return kerb

    def _colour(self, kerb: np.ndarray) -> None:
        """Fill the albedo from tiled textures, tones and smooth blotches."""
        rows, cols = self.classes.shape
        rng = token_rng(self._seed, 'texture')
        tiles = {
            TERRAIN: _grass(rng),
            SIDEWALK: _slabs(rng, self._resolution),
            ROAD: _speckle(rng, (96, 98, 98), 6),
            PARKING: _speckle(rng, (112, 114, 116), 9),
            MANHOLE: _speckle(rng, (90, 90, 90), 14),
            CURB: _speckle(rng, (128, 128, 128), 8),
        }
        repeat = -(-cols // _TILE)
        wide = {key: np.tile(tile, (1, repeat, 1))[:, :cols] for key, tile in tiles.items()}
        coarse = rng.normal(128, 13, (max(rows // 90, 2), max(cols // 90, 2))).clip(80, 170).astype(np.uint8)
        for top in range(0, rows, _STRIP):
            window = slice(top, min(top + _STRIP, rows))
            classes, albedo = self.classes[window], self.albedo[window]
            for key, texture in wide.items():
                cv2.copyTo(texture[: len(classes)], (classes == key).view(np.uint8), albedo)
            position = np.float32([[cols / coarse.shape[1], 0, 0], [0, rows / coarse.shape[0], -top]])
            blotch = cv2.warpAffine(
                coarse,
                position,
                (cols, len(classes)),
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            tone = cv2.multiply(self._tone[window], blotch, scale=1 / 128)
            tone = np.where(kerb[window] > 0, kerb[window], tone)
            cv2.multiply(albedo, cv2.merge([tone, tone, tone]), albedo, scale=1 / 128)


def _speckle(rng: np.random.Generator, colour: tuple[int, int, int], spread: float) -> np.ndarray:
    """Return a (_TILE, _TILE, 3) texture of fine grain."""
    grain = rng.normal(0, spread, (_TILE, _TILE)) + cv2.resize(rng.normal(0, spread / 2, (64, 64)), (_TILE, _TILE))
    return np.clip(np.array(colour) + grain[..., None], 0, 255).astype(np.uint8)


def _grass(rng: np.random.Generator) -> np.ndarray:
    """Return a (_TILE, _TILE, 3) texture of grass with dry patches."""
    dry = cv2.resize(rng.random((24, 24)), (_TILE, _TILE), interpolation=cv2.INTER_CUBIC)[..., None]
    colour = np.array(TERRAIN_COLOUR) * (1 - 0.5 * dry.clip(0, 1)) + np.array([78, 118, 132]) * 0.5 * dry.clip(0, 1)
    return np.clip(colour * rng.normal(1, 0.16, (_TILE, _TILE, 1)), 0, 255).astype(np.uint8)


def _slabs(rng: np.random.Generator, resolution: float) -> np.ndarray:
    """Return a (_TILE, _TILE, 3) texture of paving slabs of about 0.8 m."""
    step = max(_TILE // max(round(_TILE * resolution / 0.8), 1), 2)
    at = np.arange(_TILE)
    count = _TILE // step + 1
    slab = rng.normal(1, 0.05, (count, count))[np.ix_(at // step, at // step)]
    joint = (at % step < 1)[:, None] | (at % step < 1)[None]
    colour = np.array([138, 146, 150]) * slab[..., None] * np.where(joint, 0.72, 1)[..., None]
    return np.clip(colour + rng.normal(0, 5, (_TILE, _TILE, 1)), 0, 255).astype(np.uint8)
