"""Write and read nuScenes map expansions (version 1.3) as plain JSON content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import LineString, MultiPolygon, Polygon

MapContent = dict[str, Any]

VERSION = '1.3'
_LAYERS = [
    'polygon',
    'line',
    'node',
    'drivable_area',
    'road_segment',
    'road_block',
    'lane',
    'ped_crossing',
    'walkway',
    'stop_line',
    'carpark_area',
    'lane_connector',
    'road_divider',
    'lane_divider',
    'traffic_light',
]


def token(*parts: object) -> str:
    """Return 32 hexadecimal digits that depend on ``parts`` alone."""
    return hashlib.md5('/'.join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


class MapBuilder:
    """Collects geometry and records; nodes are shared between shapes that meet.

    Args:
        name: Enters every token, so that two maps share none.
        canvas_edge: (width, height) of the map in metres.
    """

    def __init__(self, name: str, canvas_edge: tuple[float, float]) -> None:
        self.name = name
        self.content: MapContent = {layer: [] for layer in _LAYERS}
        self.content |= {'version': VERSION, 'canvas_edge': list(canvas_edge), 'arcline_path_3': {}, 'connectivity': {}}
        self._node_of: dict[tuple[float, float], str] = {}

    def add(self, layer: str, **fields: object) -> str:
        """Append a record to ``layer`` and return its token."""
        record_token = token(self.name, layer, len(self.content[layer]))
        self.content[layer].append({'token': record_token, **fields})
        return record_token

    def node(self, xy: np.ndarray) -> str:
        """Return the token of the node at ``xy``, to the millimetre."""
        key = (round(float(xy[0]), 3), round(float(xy[1]), 3))
        if key not in self._node_of:
            self._node_of[key] = self.add('node', x=key[0], y=key[1])
        return self._node_of[key]

    def nodes(self, points: np.ndarray) -> list[str]:
        """Return the tokens of the nodes at ``points`` (N, 2), without repeated neighbours."""
        tokens = [self.node(xy) for xy in points]
        return [t for i, t in enumerate(tokens) if i == 0 or t != tokens[i - 1]]

    def polygon(self, polygon: Polygon) -> str:
        """Add a polygon with its holes and return its token."""
        holes = [{'node_tokens': self.nodes(np.asarray(ring.coords)[:-1])} for ring in polygon.interiors]
        exterior = self.nodes(np.asarray(polygon.exterior.coords)[:-1])
        return self.add('polygon', exterior_node_tokens=exterior, holes=holes)

    def line(self, points: np.ndarray) -> str:
        """Add a line and return its token."""
        return self.add('line', node_tokens=self.nodes(points))

    def segments(self, line_token: str, kinds: list[str]) -> list[dict[str, str]]:
        """Pair the nodes of a line with the paint that begins at each."""
        record = self.content['line'][-1]
        if record['token'] != line_token:
            raise ValueError('segments() describes the line that was added last')
        return [
            {'node_token': node, 'segment_type': kinds[min(i, len(kinds) - 1)]}
            for i, node in enumerate(record['node_tokens'])
        ]


@dataclass(frozen=True)
class Area:
    """A polygon of the map with its record."""

    token: str
    shape: Polygon
    record: dict[str, Any]


class MapGeometry:
    """Shapely geometry of a map expansion.

    Args:
        content: Map expansion of version 1.3.
    """

    def __init__(self, content: MapContent) -> None:
        self.content = content
        self._node = {n['token']: (n['x'], n['y']) for n in self.content['node']}
        self._line = {r['token']: r for r in self.content['line']}
        self._polygon = {r['token']: r for r in self.content['polygon']}

    def line(self, record: dict[str, Any]) -> np.ndarray:
        """Return the (N, 2) points of a divider."""
        return self._points(_find(self._line, record.get('line_token'), 'line')['node_tokens']).reshape(-1, 2)

    def edge(self, record: dict[str, Any], end: str) -> np.ndarray | None:
        """Return the (N, 2) points of the ``'from'`` or ``'to'`` edge of a lane, or None where it has none."""
        line_token = record.get(f'{end}_edge_line_token')
        points = self.line({'line_token': line_token}) if line_token else ()
        return points if len(points) >= 2 else None

    def polygon(self, polygon_token: str) -> Polygon:
        """Return one polygon, repaired if it crosses itself; it may be empty."""
        record = _find(self._polygon, polygon_token, 'polygon')
        ring = self._points(record['exterior_node_tokens'])
        holes = [self._points(hole['node_tokens']) for hole in record.get('holes') or ()]
        if len(ring) < 3:
            return Polygon()
        shape = Polygon(ring, [hole for hole in holes if len(hole) >= 3])
        return shape if shape.is_valid else shape.buffer(0)

    def areas(self, layer: str) -> list[Area]:
        """Return the polygons of ``layer`` with their records; none if the map has no such layer."""
        return [
            Area(record['token'], part, record)
            for record in self.content.get(layer, [])
            for polygon_token in record.get('polygon_tokens') or [record.get('polygon_token')]
            if polygon_token
            for part in _parts(self.polygon(polygon_token))
        ]

    def polygons(self, layer: str) -> list[Polygon]:
        """Return the polygons of ``layer``."""
        return [area.shape for area in self.areas(layer)]

    def lines(self, layer: str) -> list[LineString]:
        """Return all lines of a layer that have a length."""
        points = [self.line(record) for record in self.content[layer]]
        return [LineString(p) for p in points if len(p) >= 2]

    def _points(self, node_tokens: list[str]) -> np.ndarray:
        return np.array([_find(self._node, t, 'node') for t in node_tokens])


def _find(records: dict[str, Any], record_token: str | None, layer: str) -> Any:
    if record_token not in records:
        raise ValueError(f'the map expansion refers to the {layer} {record_token!r}, which it lacks')
    return records[record_token]


def _parts(shape: Polygon | MultiPolygon) -> list[Polygon]:
    """Split a shape into its non-empty polygons."""
    return [g for g in getattr(shape, 'geoms', [shape]) if g.geom_type == 'Polygon' and not g.is_empty]


def read_map(path: str | Path) -> MapContent:
    """Read a map expansion from a JSON file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it isn't JSON, or no map expansion of version 1.3.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no map expansion at {path}')
    try:
        content = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f'{path} is not JSON: {error}') from error
    # Converted maps may leave these out, but the devkit wants the keys.
    for key in ('arcline_path_3', 'connectivity'):
        content[key] = content.get(key) or {}
    for polygon in content.get('polygon', []):
        polygon['holes'] = polygon.get('holes') or []
    missing = [key for key in (*_LAYERS, 'canvas_edge') if key not in content]
    if missing or str(content.get('version', '1.0')) < VERSION:
        raise ValueError(
            f'{path} must be a map expansion of version {VERSION}; it has version {content.get("version")!r} '
            f'and lacks {missing}'
        )
    return content


def write_map(content: MapContent, path: Path) -> None:
    """Write ``content`` as JSON; the folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
