"""Generate a town as a nuScenes map expansion."""

from __future__ import annotations

import numpy as np
from shapely import make_valid
from shapely.geometry import Polygon
from shapely.ops import unary_union

from . import curves
from .lane_connectors import connect_lanes
from .map_expansion import MapBuilder, MapContent
from .road_furniture import Furniture, furnish
from .road_network import Junction, Road, make_network

MARGIN = 90.0
SPACING = 110.0


def make_town(seed: int, cells: int = 5) -> MapContent:
    """Return the map expansion of a town, the same for the same seed.

    Convention: metres, x east and y north, from the canvas' south-western corner; traffic keeps to the left.

    Args:
        seed: Towns of different seeds have different roads and tokens.
        cells: Street grid nodes per side, at least 3; the town is about ``110 * (cells - 1)`` m wide.
    """
    rng = np.random.default_rng([seed, 1])
    roads, junctions = make_network(rng, cells, SPACING, np.array([MARGIN, MARGIN]))
    signals = {(a.road.index, a.outward): j.has_signals for j in junctions for a in j.arms}
    furniture = furnish(rng, roads, signals)
    edge = round(2 * MARGIN + (cells - 1) * SPACING, 1)
    builder = MapBuilder(f'synthetic-town-{seed}-{cells}', (edge, edge))
    _Writer(builder, roads, junctions, furniture).write()
    return builder.content


class _Writer:
    """Converts the parts of a town into records, in a fixed order."""

    def __init__(self, builder: MapBuilder, roads: list[Road], junctions: list[Junction], furniture: Furniture) -> None:
        self.builder, self.roads, self.junctions, self.furniture = builder, roads, junctions, furniture
        self.blocks: dict[tuple[int, int], str] = {}

    def write(self) -> None:
        surface = [r.strip(r.start, r.stop, r.profile.half_width, -r.profile.half_width) for r in self.roads]
        areas = [junction.area() for junction in self.junctions]
        bays = [bay.area() for bay in self.furniture.bays]
        # An overlap of some centimetres closes the seams between neighbouring pieces.
        pieces = [piece.buffer(0.05, join_style='mitre') for piece in (*surface, *areas)] + bays
        drivable = unary_union(pieces).buffer(-0.02, join_style='mitre').simplify(0.02)
        parts = list(getattr(drivable, 'geoms', [drivable]))
        area = self.builder.add('drivable_area', polygon_tokens=[self.builder.polygon(p) for p in parts])
        segments = [self._segment(p, area, False) for p in surface]
        for junction_area in areas:
            self._segment(junction_area, area, True)
        for road, segment in zip(self.roads, segments, strict=True):
            self._write_blocks(road, segment)
        self._write_dividers(segments)
        crossings = {
            id(c): self._polygon('ped_crossing', c.area(), road_segment_token=segments[c.road.index])
            for c in self.furniture.crossings
        }
        self._write_stop_lines(crossings)
        for bay, shape in zip(self.furniture.bays, bays, strict=True):
            block = self.blocks.get((bay.road.index, bay.side), self.blocks[bay.road.index, 1])
            heading = float(np.arctan2(*(bay.road.edge(*bay.span, 0.0)[[0, -1]] @ [[0, 1], [1, 0]]).ptp(axis=0)))
            self._polygon('carpark_area', shape, orientation=heading, road_block_token=block)
        self._write_walkways(drivable)
        connect_lanes(self.builder, self.roads, self.junctions)

    def _polygon(self, layer: str, shape: Polygon, **fields: object) -> str:
        return self.builder.add(layer, polygon_token=self.builder.polygon(shape), **fields)

    def _segment(self, shape: Polygon, area: str, is_intersection: bool) -> str:
        return self._polygon('road_segment', shape, is_intersection=is_intersection, drivable_area_token=area)

    def _write_blocks(self, road: Road, segment: str) -> None:
        for direction in (1, -1):
            lanes = road.profile.lanes(direction)
            if not lanes:
                continue
            left, right = max(v for lane in lanes for v in lane), min(v for lane in lanes for v in lane)
            edges = [
                self.builder.line(np.stack([road.edge(at, at + 0.5, side)[0] for side in (left, right)]))
                for at in (road.start, road.stop - 0.5)[::direction]
            ]
            self.blocks[road.index, direction] = self._polygon(
                'road_block',
                road.strip(road.start, road.stop, left, right),
                from_edge_line_token=edges[0],
                to_edge_line_token=edges[1],
                road_segment_token=segment,
            )

    def _write_dividers(self, segments: list[str]) -> None:
        for road in self.roads:
            profile = road.profile
            for lateral in profile.lane_dividers():
                self._write_divider('lane_divider', road, lateral, profile.lane_paint)
            lateral = profile.road_divider()
            if lateral is not None:
                token = segments[road.index]
                self._write_divider('road_divider', road, lateral, profile.centre_paint, road_segment_token=token)

    def _write_divider(self, layer: str, road: Road, lateral: float, paint: str, **fields: str) -> None:
        for start, stop, kind in self.furniture.divider_pieces(road, paint):
            points = curves.resample(road.edge(start, stop, lateral), 4.0)
            line = self.builder.line(points)
            pieces = {f'{layer}_segments': self.builder.segments(line, [kind])}
            self.builder.add(layer, line_token=line, **pieces, **fields)

    def _write_stop_lines(self, crossings: dict[int, str]) -> None:
        for stop in self.furniture.stop_lines:
            self._polygon(
                'stop_line',
                stop.area(),
                stop_line_type=stop.kind,
                ped_crossing_tokens=[crossings[id(stop.crossing)]] if stop.crossing else [],
                traffic_light_tokens=[],
                road_block_token=self.blocks[stop.road.index, stop.direction],
            )

    def _write_walkways(self, drivable: Polygon) -> None:
        for road in self.roads:
            for side, width in zip((1, -1), road.profile.walkways, strict=True):
                if width:
                    kerb = side * (road.profile.half_width - 0.5)
                    # Inside a tight bend the far edge crosses itself.
                    shape = make_valid(
                        road.strip(road.start, road.stop, kerb, side * (road.profile.half_width + width + 5.5))
                    )
                    near = drivable.intersection(shape.buffer(12.0)).buffer(width)
                    self._add_walkway(near.intersection(shape).difference(drivable))
        for junction in self.junctions:
            width = max(max(arm.road.profile.walkways) for arm in junction.arms)
            area = junction.area()
            around = drivable.intersection(area.buffer(8.0)).buffer(width or 1.6)
            self._add_walkway(around.intersection(area.buffer(width + 1.0)).difference(drivable))

    def _add_walkway(self, shape: Polygon) -> None:
        for part in getattr(shape, 'geoms', [shape]):
            if part.geom_type == 'Polygon' and part.area > 2.0:
                self._polygon('walkway', part.simplify(0.03))
