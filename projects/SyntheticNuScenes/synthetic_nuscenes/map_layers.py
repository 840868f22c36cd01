"""What the painter needs of a map expansion: shapes near one place, each with its token."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from shapely.geometry import LineString, Polygon, box
from shapely.ops import unary_union

from .map_expansion import Area, MapContent, MapGeometry

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Divider:
    """A line of the map; ``kinds[i]`` is the segment type between points i and i + 1 ('' where unknown)."""

    token: str
    points: np.ndarray  # (N, 2)
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class LaneEnd:
    """Where a lane ends, the direction of travel there, and how long and wide the lane is."""

    token: str
    position: np.ndarray  # (2,)
    direction: np.ndarray  # (2,)
    length: float
    width: float


class MapLayers(MapGeometry):
    """The layers of one map expansion, cut to the surroundings of a scene.

    Args:
        content: Map expansion of version 1.3.
        bounds: (x0, y0, x1, y1) in metres; None takes the whole map.
    """

    def __init__(self, content: MapContent, bounds: Bounds | None = None) -> None:
        super().__init__(content)
        self.bounds = bounds or self._extent()
        self._window = box(*self.bounds)
        self.drivable = self.polygons('drivable_area')
        self.drivable_union = unary_union([s.buffer(0.03) for s in self.drivable]) if self.drivable else Polygon()

    def areas(self, layer: str) -> list[Area]:
        """Return the polygons of ``layer`` that touch the bounds, whole."""
        return [area for area in super().areas(layer) if area.shape.intersects(self._window)]

    def dividers(self, layer: str) -> list[Divider]:
        """Return the lines of ``layer`` ('lane_divider' or 'road_divider') that touch the bounds."""
        found = []
        for record in self.content.get(layer, []):
            points = self.line(record)
            if len(points) < 2 or not LineString(points).intersects(self._window):
                continue
            kinds = [s.get('segment_type', '') for s in record.get(f'{layer}_segments') or []]
            kinds = (kinds + [kinds[-1] if kinds else ''] * len(points))[: len(points) - 1]
            found.append(Divider(record['token'], points, tuple(kinds)))
        return found

    def lane_ends(self) -> list[LaneEnd]:
        """Return the ends of all car lanes whose both end edges are known and that end inside the bounds."""
        found = []
        for area in self.areas('lane'):
            edges = [self.edge(area.record, end) for end in ('from', 'to')]
            if edges[0] is None or edges[1] is None:
                continue
            start, end = ((edge[0] + edge[-1]) / 2 for edge in edges)
            width = float(np.linalg.norm(edges[1][-1] - edges[1][0]))
            length = area.shape.area / max(width, 1.0)
            direction = self._end_direction(area.shape, start, end)
            if self._window.covers(LineString([end, end + 0.1])):
                found.append(LaneEnd(area.token, end, direction, length, width))
        return found

    @cached_property
    def borders(self) -> list[np.ndarray]:
        """The borders (N, 2) of the drivable polygons that touch the bounds, whole, the drivable side on the left."""
        union = self.drivable_union
        rings = []
        for polygon in getattr(union, 'geoms', [union]):
            if polygon.geom_type != 'Polygon' or polygon.area < 1:
                continue
            for inner, ring in [(False, polygon.exterior), *((True, ring) for ring in polygon.interiors)]:
                coords = np.asarray(ring.simplify(0.03).coords)
                rings.append(coords if ring.is_ccw != inner else coords[::-1])
        return rings

    @staticmethod
    def _end_direction(shape: Polygon, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return the unit direction in which the lane arrives at ``end``: towards its middle part, reversed."""
        near = shape.intersection(LineString([end, end + 1e-3]).buffer(12.0))
        centre = np.array(near.centroid.coords[0]) if not near.is_empty else start
        vector = end - centre if np.linalg.norm(end - centre) > 0.5 else end - start
        return vector / max(float(np.linalg.norm(vector)), 1e-6)

    def _extent(self) -> Bounds:
        """Return the bounds of all nodes, with a margin."""
        xy = np.array([(n['x'], n['y']) for n in self.content['node']])
        if not len(xy):
            return (0.0, 0.0, 60.0, 60.0)
        (x0, y0), (x1, y1) = xy.min(0) - 20, xy.max(0) + 20
        return (float(x0), float(y0), float(x1), float(y1))
