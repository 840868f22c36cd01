"""Crossings, stop lines and parking bays of roads, and the gaps of dividers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from shapely.geometry import Polygon

from .road_network import Arm, Road

STOP_LINE_DEPTH = 0.8
_STOP_GAP = 1.0
_ZIGZAG = 14.0


@dataclass
class Crossing:
    """A pedestrian crossing over the whole width of a road, ``span`` metres along its line."""

    road: Road
    span: tuple[float, float]

    def area(self) -> Polygon:
        """Return the crossing's area, from kerb to kerb."""
        half = self.road.profile.half_width
        return self.road.strip(*self.span, half, -half)


@dataclass
class StopLine:
    """A stop line for one direction (1 or -1) of a road."""

    road: Road
    span: tuple[float, float]
    direction: int
    kind: str
    crossing: Crossing | None = None

    def area(self) -> Polygon:
        """Return the line's area, over all lanes of its direction."""
        lanes = self.road.profile.lanes(self.direction)
        sides = [side for lane in lanes for side in lane]
        return self.road.strip(*self.span, max(sides) - 0.1, min(sides) + 0.1)


@dataclass
class Bay:
    """A parking bay: ``span`` along its road, ``depth`` metres beyond the kerb of ``side`` (1 left, -1 right)."""

    road: Road
    span: tuple[float, float]
    side: int
    depth: float

    def area(self) -> Polygon:
        """Return the bay's area, which overlaps the road by some centimetres so that the two join."""
        kerb, (start, stop) = self.side * self.road.profile.half_width, self.span
        inner = self.road.edge(start, stop, kerb - self.side * 0.05)
        outer = self.road.edge(stop - 1.0, start + 1.0, kerb + self.side * self.depth)
        return Polygon(np.concatenate([inner, outer])).buffer(0)


@dataclass
class Furniture:
    """Everything on the roads of a town; ``divider_gaps`` holds, per road, where no divider is painted."""

    crossings: list[Crossing] = field(default_factory=list)
    stop_lines: list[StopLine] = field(default_factory=list)
    bays: list[Bay] = field(default_factory=list)
    divider_gaps: dict[int, list[tuple[float, float]]] = field(default_factory=dict)

    def divider_spans(self, road: Road) -> list[tuple[float, float]]:
        """Return the stretches of a road between the gaps."""
        edges = [road.start] + [v for gap in sorted(self.divider_gaps[road.index]) for v in gap] + [road.stop]
        return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 3.0]

    def divider_pieces(self, road: Road, paint: str) -> list[tuple[float, float, str]]:
        """Return the stretches of a divider with their paint, zigzag before crossings between junctions."""
        middles = [c.span for c in self.crossings if c.road is road and _is_amid(road, c.span)]
        pieces = []
        for start, stop in self.divider_spans(road):
            after = any(abs(start - span[1]) < 4.0 for span in middles)
            before = any(abs(stop - span[0]) < 4.0 for span in middles)
            low, high = start + _ZIGZAG * after, stop - _ZIGZAG * before
            if high - low < 3.0 or paint == 'NIL':
                pieces.append((start, stop, paint))
                continue
            pieces += [(start, low, 'SINGLE_ZIGZAG_WHITE')] * after + [(low, high, paint)]
            pieces += [(high, stop, 'SINGLE_ZIGZAG_WHITE')] * before
        return pieces


def _is_amid(road: Road, span: tuple[float, float]) -> bool:
    return span[0] - road.start > 20.0 and road.stop - span[1] > 20.0


def furnish(rng: np.random.Generator, roads: list[Road], signals: dict[tuple[int, int], bool]) -> Furniture:
    """Place crossings, stop lines and bays.

    Args:
        rng: Source of chance.
        roads: The roads of the town.
        signals: Whether traffic lights stand at the end (1: start of the line, -1: its end) of a road, by road index.
    """
    found = Furniture()
    for road in roads:
        found.divider_gaps[road.index] = []
        for outward in (1, -1):
            _furnish_end(rng, Arm(road, outward), signals[road.index, outward], found)
        if road.stop - road.start > 85.0 and rng.random() < 0.4:
            _cross_amid(rng, road, found)
        for side in (1, -1):
            _add_bays(rng, road, side, found)
    return found


def _furnish_end(rng: np.random.Generator, arm: Arm, has_signals: bool, found: Furniture) -> None:
    incoming, reach, crossing = -arm.outward, 0.0, None
    if rng.random() < (0.9 if has_signals else 0.5):
        near = float(rng.uniform(0.8, 2.0))
        reach = near + float(rng.uniform(2.8, 4.2))
        crossing = Crossing(arm.road, _ordered(arm.at(near), arm.at(reach)))
        found.crossings.append(crossing)
    if arm.road.profile.lanes(incoming) and (has_signals or rng.random() < 0.75):
        reach += _STOP_GAP if crossing else 0.4
        span = _ordered(arm.at(reach), arm.at(reach + STOP_LINE_DEPTH))
        plain = 'TURN_STOP' if crossing else str(rng.choice(['STOP_SIGN', 'YIELD']))
        kind = 'TRAFFIC_LIGHT' if has_signals else plain
        found.stop_lines.append(StopLine(arm.road, span, incoming, kind, crossing))
        reach += STOP_LINE_DEPTH
    found.divider_gaps[arm.road.index].append(_ordered(arm.mouth, arm.at(reach + 0.3)))


def _cross_amid(rng: np.random.Generator, road: Road, found: Furniture) -> None:
    width = float(rng.uniform(2.8, 4.0))
    start = float(rng.uniform(road.start + 35.0, road.stop - 35.0 - width))
    crossing = Crossing(road, (start, start + width))
    found.crossings.append(crossing)
    for direction in (1, -1):
        if road.profile.lanes(direction):
            edge = start - _STOP_GAP if direction > 0 else start + width + _STOP_GAP
            span = _ordered(edge, edge - direction * STOP_LINE_DEPTH)
            found.stop_lines.append(StopLine(road, span, direction, 'PED_CROSSING', crossing))
    margin = _STOP_GAP + STOP_LINE_DEPTH + 0.3
    found.divider_gaps[road.index].append((start - margin, start + width + margin))


def _add_bays(rng: np.random.Generator, road: Road, side: int, found: Furniture) -> None:
    style = rng.choice(['none', 'parallel', 'perpendicular'], p=[0.5, 0.36, 0.14])
    if style == 'none':
        return
    depth = 2.4 if style == 'parallel' else 5.2
    for start, stop in found.divider_spans(road):
        start, stop = start + 8.0, stop - 8.0
        length = float(rng.uniform(16.0, 42.0))
        if stop - start > length and rng.random() < 0.8:
            begin = float(rng.uniform(start, stop - length))
            found.bays.append(Bay(road, (begin, begin + length), side, depth))


def _ordered(a: float, b: float) -> tuple[float, float]:
    return (a, b) if a < b else (b, a)
