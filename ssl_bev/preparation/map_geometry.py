"""Geometry of a nuScenes map expansion, read from its JSON and indexed by position.

The devkit's `get_map_mask` fails on line layers under Shapely 2 and draws lines with a width in pixels; its
`get_map_geom` crops the whole map in each call. Here the map is converted into polygons once, also its lines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from ssl_bev.files.text_files import read_json

from .map_shapes import ClassShapes, long_edges, outlines, widened

KINDS = ('area', 'line', 'boundary', 'long_edges')


@dataclass(frozen=True)
class ClassSpec:
    """The definition of a BEV class.

    Args:
        name: name of the class.
        layers: map layers whose union it is.
        kind: 'area' fills polygons; 'line' draws line layers; 'boundary' draws the outline of the union of polygons,
            without edges where neighbours touch; 'long_edges' draws the two longest edges of each polygon.
        line_width: metres, for all kinds except 'area'; None: the common line width.
    """

    name: str
    layers: Sequence[str]
    kind: str = 'area'
    line_width: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f'class {self.name}: kind must be one of {KINDS}, got {self.kind!r}')
        if not self.layers or isinstance(self.layers, str):
            raise ValueError(f'class {self.name}: layers must be a list of map layers, got {self.layers!r}')
        if self.line_width is not None and self.kind == 'area':
            raise ValueError(f"class {self.name}: kind 'area' has no line_width, got {self.line_width}")
        if self.line_width is not None and self.line_width <= 0:
            raise ValueError(f'class {self.name}: line_width must be positive (metres), got {self.line_width}')


BASE_CLASSES = (
    ClassSpec('drivable_area', ('drivable_area',)),
    ClassSpec('lane_divider', ('lane_divider',), 'line'),
    ClassSpec('road_divider', ('road_divider',), 'line'),
    ClassSpec('ped_crossing', ('ped_crossing',)),
    ClassSpec('stop_line', ('stop_line',)),
)


@dataclass
class MapGeometry:
    """A map expansion of nuScenes, version 1.3.

    Args:
        content: the parsed JSON.
        name: for error messages.
    """

    content: Mapping
    name: str = 'map'
    _polygons: dict[str, Polygon] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, path: str | Path) -> MapGeometry:
        """Read a map expansion file.

        Raises:
            FileNotFoundError: no such file.
            ValueError: no JSON, a version before 1.3, or invalid records.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f'map expansion not found: {path}; unpack the nuScenes map expansion (version 1.3) below maps/'
            )
        content = read_json(path, 'map expansion')
        if not isinstance(content, Mapping):
            raise ValueError(f'map expansion {path} must be an object with layers, got {type(content).__name__}')
        version = str(content.get('version', '1.0'))
        try:
            is_old = tuple(int(part) for part in version.split('.')) < (1, 3)
        except ValueError:
            is_old = True
        if is_old:
            raise ValueError(f'map expansion {path} has version {version}; version 1.3 is needed')
        return cls(content, path.name)

    def __post_init__(self) -> None:
        self._records = {layer: self._by_token(layer) for layer in ('node', 'polygon', 'line')}

    @property
    def node_positions(self) -> np.ndarray:  # (P, 2) metres
        """x and y of all nodes."""
        return np.array([self._point(token, 'node') for token in self._records['node']]).reshape(-1, 2)

    def shapes(self, spec: ClassSpec, line_width: float) -> ClassShapes:
        """The polygons of a class; lines become everything within half their width (round ends).

        Raises:
            ValueError: a layer that the map does not have, or one of the wrong kind.
        """
        geometries: list[BaseGeometry] = []
        for layer in spec.layers:
            if not isinstance(self.content.get(layer), list):
                raise ValueError(f'class {spec.name}: map {self.name} has no layer {layer!r}')
            for record in self.content[layer]:
                if not isinstance(record, Mapping):
                    raise ValueError(f'map {self.name}: layer {layer!r} holds {record!r}, which is no record')
                is_line = 'line_token' in record
                if is_line != (spec.kind == 'line'):
                    raise ValueError(
                        f'class {spec.name}: layer {layer!r} of map {self.name} holds '
                        f'{"lines" if is_line else "polygons"}, which does not fit kind {spec.kind!r}'
                    )
                geometries.extend([self._line(record, layer)] if is_line else self._polygons_of(record, layer))
        if spec.kind != 'area':
            lines = {'line': list, 'boundary': outlines, 'long_edges': long_edges}[spec.kind](geometries)
            geometries = widened(lines, spec.line_width or line_width)
        return ClassShapes.of(geometries)

    def _line(self, record: Mapping, layer: str) -> LineString:
        user = f'{layer} {record.get("token")!r}'
        line = self._find('line', record['line_token'], user)
        points = self._ring(line, 'node_tokens', f'line {record["line_token"]!r}')
        return LineString(points) if len(points) > 1 else LineString()

    def _polygons_of(self, record: Mapping, layer: str) -> list[Polygon]:
        user = f'{layer} {record.get("token")!r}'
        tokens = record['polygon_tokens'] if 'polygon_tokens' in record else [record.get('polygon_token')]
        if not isinstance(tokens, list):
            raise ValueError(f'map {self.name}: {user}: polygon_tokens must be a list, got {tokens!r}')
        return [self._polygon(token, user) for token in tokens]

    def _polygon(self, token: str, user: str) -> Polygon:
        record = self._find('polygon', token, user)
        if token not in self._polygons:
            name = f'polygon {token!r}'
            exterior = self._ring(record, 'exterior_node_tokens', name)
            # Converters leave out `holes` if there are none.
            rings = record.get('holes') or []
            if not isinstance(rings, list) or not all(isinstance(ring, Mapping) for ring in rings):
                raise ValueError(f'map {self.name}: {name}: holes must be a list of records, got {rings!r}')
            holes = [self._ring(hole, 'node_tokens', f'a hole of {name}') for hole in rings]
            holes = [hole for hole in holes if len(hole) > 2]
            self._polygons[token] = Polygon(exterior, holes) if len(exterior) > 2 else Polygon()
        return self._polygons[token]

    def _ring(self, record: Mapping, field_name: str, user: str) -> list[tuple[float, float]]:
        tokens = record.get(field_name)
        if not isinstance(tokens, list):
            raise ValueError(f'map {self.name}: {user}: {field_name} must be a list of nodes, got {tokens!r}')
        return [self._point(token, user) for token in tokens]

    def _point(self, token: str, user: str) -> tuple[float, float]:
        node = self._find('node', token, user)
        try:
            x, y = float(node['x']), float(node['y'])
        except (KeyError, TypeError, ValueError):
            x = y = math.nan
        if not (math.isfinite(x) and math.isfinite(y)):
            raise ValueError(
                f'map {self.name}: node {token!r}: x and y must be finite (metres), got {node.get("x")!r}, '
                f'{node.get("y")!r}; correct it, or take out what uses it: {user}'
            )
        return x, y

    def _find(self, layer: str, token: str, user: str) -> Mapping:
        if not isinstance(token, str) or token not in self._records[layer]:
            there = f'which has {len(self._records[layer])} records' if self._records[layer] else 'which is not there'
            raise ValueError(
                f'map {self.name}: {user} refers to {token!r}, which must be in layer {layer!r}, {there}; add the '
                f'record, or take out what refers to it'
            )
        return self._records[layer][token]

    def _by_token(self, layer: str) -> dict[str, Mapping]:
        """The records of a layer; none if the map lacks it, which is an error only if something refers to it."""
        records = self.content.get(layer) or []
        if not isinstance(records, list) or not all(map(_has_token, records)):
            raise ValueError(f'map {self.name}: layer {layer!r} must be a list of records with tokens')
        return {record['token']: record for record in records}


def _has_token(record: object) -> bool:
    return isinstance(record, Mapping) and isinstance(record.get('token'), str) and bool(record['token'])
