"""Geometry of a nuScenes map expansion, read straight from its JSON and indexed by place.

The devkit's `get_map_mask` fails on line layers under Shapely 2 and draws lines with a width in pixels; its
`get_map_geom` cuts the whole map anew for each call. Here the map becomes polygons once, lines included.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from .map_shapes import ClassShapes, long_edges, outlines, widened

KINDS = ('area', 'line', 'boundary', 'long_edges')


@dataclass(frozen=True)
class ClassSpec:
    """What a BEV class is made of.

    Args:
        name: name of the class.
        layers: map layers whose union it is.
        kind: 'area' fills polygons; 'line' draws line layers; 'boundary' draws the outline of the union of polygons,
            where neighbours touch there is none; 'long_edges' draws the two longest edges of each polygon.
        line_width: metres, of all kinds but 'area'; None: the common line width.
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
            ValueError: not JSON, or a version before 1.3.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f'map expansion not found: {path}; unpack the nuScenes map expansion (version 1.3) below maps/'
            )
        try:
            content = json.loads(path.read_text())
        except json.JSONDecodeError as error:
            raise ValueError(f'map expansion {path} is no JSON: {error}') from error
        version = str(content.get('version', '1.0'))
        if version < '1.3':
            raise ValueError(f'map expansion {path} has version {version}; version 1.3 is needed')
        return cls(content, path.name)

    def __post_init__(self) -> None:
        self._nodes = {node['token']: (node['x'], node['y']) for node in self.content['node']}
        self._polygon_records = {record['token']: record for record in self.content['polygon']}
        self._line_records = {record['token']: record for record in self.content['line']}

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
                is_line = 'line_token' in record
                if is_line != (spec.kind == 'line'):
                    raise ValueError(
                        f'class {spec.name}: layer {layer!r} holds {"lines" if is_line else "polygons"}, '
                        f'which does not fit kind {spec.kind!r}'
                    )
                geometries.extend([self._line(record)] if is_line else self._polygons_of(record))
        if spec.kind != 'area':
            lines = {'line': list, 'boundary': outlines, 'long_edges': long_edges}[spec.kind](geometries)
            geometries = widened(lines, spec.line_width or line_width)
        return ClassShapes.of(geometries)

    def _line(self, record: Mapping) -> LineString:
        nodes = self._line_records[record['line_token']]['node_tokens']
        points = [self._nodes[token] for token in nodes]
        return LineString(points) if len(points) > 1 else LineString()

    def _polygons_of(self, record: Mapping) -> list[Polygon]:
        tokens = record['polygon_tokens'] if 'polygon_tokens' in record else [record['polygon_token']]
        return [self._polygon(token) for token in tokens]

    def _polygon(self, token: str) -> Polygon:
        if token not in self._polygons:
            record = self._polygon_records[token]
            rings = [record['exterior_node_tokens'], *(hole['node_tokens'] for hole in record['holes'])]
            exterior, *holes = ([self._nodes[node] for node in ring] for ring in rings)
            holes = [hole for hole in holes if len(hole) > 2]
            self._polygons[token] = Polygon(exterior, holes) if len(exterior) > 2 else Polygon()
        return self._polygons[token]
