"""Shapes of a map as polygons with a spatial index: outlines, lines with a width, pieces of large polygons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import STRtree
from shapely.geometry import LineString, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

# A quarter circle in 16 chords: the area of a round line end is 0.2 % too small.
_ARC_CHORDS = 16
# Polygons of a map that should touch leave gaps of some centimetres, which are no boundary.
_GAP = 0.1
# Long lines and large polygons are split into pieces of about this many points, so that a frame needs only some.
_LINE_POINTS = 16
_POLYGON_POINTS = 256


@dataclass(frozen=True)
class ClassShapes:
    """The polygons of one class over a whole map: their edges, and an index of their extents.

    Args:
        edges: for each polygon (E, 4), x and y of both ends, metres in map coordinates; exterior rings run
            counter-clockwise, holes clockwise, so that winding numbers add up to the union.
        index: of the polygons, in the order of `edges`.
    """

    edges: Sequence[np.ndarray]
    index: STRtree

    @classmethod
    def of(cls, geometries: Sequence[BaseGeometry]) -> ClassShapes:
        """The union of polygons, repaired where they intersect themselves, large ones in pieces."""
        polygons = [piece for g in geometries for polygon in _simple_polygons(g) for piece in _halved(polygon)]
        return cls([_edges(polygon) for polygon in polygons], STRtree(polygons))

    def near(self, bounds: tuple[float, float, float, float]) -> np.ndarray:  # (E, 4)
        """The edges of all polygons whose extent meets (x_min, y_min, x_max, y_max)."""
        found = self.index.query(shapely.box(*bounds))
        return np.concatenate([self.edges[i] for i in found]) if len(found) else np.empty((0, 4))


def outlines(polygons: Sequence[Polygon]) -> list[LineString]:
    """Exteriors and holes of the union; gaps narrower than `_GAP` belong to it."""
    valid = [part for polygon in polygons for part in _simple_polygons(polygon)]
    grown = shapely.union_all(shapely.buffer(valid, _GAP / 2, join_style='mitre'))
    union = _simple_polygons(grown.buffer(-_GAP / 2, join_style='mitre'))
    return [ring for polygon in union for ring in (polygon.exterior, *polygon.interiors)]


def long_edges(polygons: Sequence[Polygon]) -> list[LineString]:
    """The two longest edges of the exterior of each polygon."""
    lines = []
    for polygon in polygons:
        ring = np.asarray(polygon.exterior.coords).reshape(-1, 2)
        edges = np.stack([ring[:-1], ring[1:]], 1)  # (E, 2, 2)
        lengths = np.linalg.norm(edges[:, 1] - edges[:, 0], axis=-1)
        lines.extend(LineString(edge) for edge in edges[np.argsort(lengths, kind='stable')[-2:]])
    return lines


def widened(lines: Sequence[LineString], width: float) -> list[Polygon]:
    """The area within half a width of the lines, with round ends, in overlapping pieces."""
    pieces = [piece for line in lines for piece in _pieces(line)]
    return list(shapely.buffer(pieces, width / 2, quad_segs=_ARC_CHORDS))


def _pieces(line: BaseGeometry) -> list[LineString]:
    """A line split into short ones that share their end points; round ends fill the joints."""
    points = np.asarray(line.coords).reshape(-1, 2)
    starts = range(0, len(points) - 1, _LINE_POINTS - 1)
    return [LineString(points[start : start + _LINE_POINTS]) for start in starts]


def _simple_polygons(geometry: BaseGeometry) -> list[Polygon]:
    geometry = geometry if geometry.is_valid else shapely.make_valid(geometry)
    parts = shapely.get_parts(geometry)
    polygons: list[Polygon] = []
    for part in parts:
        if isinstance(part, MultiPolygon):
            polygons.extend(part.geoms)
        elif isinstance(part, Polygon) and not part.is_empty:
            polygons.append(part)
    return polygons


def _halved(polygon: Polygon) -> Iterator[Polygon]:
    """A polygon halved repeatedly until each piece has few points."""
    if shapely.get_num_coordinates(polygon) <= _POLYGON_POINTS:
        yield polygon
        return
    x0, y0, x1, y1 = polygon.bounds
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    halves = [(x0, y0, x, y1), (x, y0, x1, y1)] if x1 - x0 > y1 - y0 else [(x0, y0, x1, y), (x0, y, x1, y1)]
    for half in halves:
        for piece in _simple_polygons(polygon.intersection(shapely.box(*half))):
            yield from _halved(piece)


def _edges(polygon: Polygon) -> np.ndarray:
    oriented = shapely.geometry.polygon.orient(polygon)
    rings = [np.asarray(ring.coords)[:, :2] for ring in (oriented.exterior, *oriented.interiors)]
    return np.concatenate([np.hstack([ring[:-1], ring[1:]]) for ring in rings])
