"""The streets of a town: a bent grid of roads that meet in T-shaped and four-armed junctions."""

from __future__ import annotations

from dataclasses import dataclass, field

import networkx as nx
import numpy as np
from shapely.geometry import Polygon

from . import curves
from .road_profile import RoadProfile, draw_profile

Cell = tuple[int, int]


@dataclass
class Road:
    """A road between two junctions.

    Args:
        index: Number of the road in its town.
        line: (N, 2) centre line in metres, from junction to junction.
        profile: Its cross-section.
        ends: Grid cells of the junctions at the line's start and end.
        start: Distance along the line at which the road leaves its first junction.
        stop: Distance along the line at which it enters the second.
    """

    index: int
    line: np.ndarray
    profile: RoadProfile
    ends: tuple[Cell, Cell]
    start: float = 0.0
    stop: float = 0.0

    def __post_init__(self) -> None:
        self._lengths = curves.arc_lengths(self.line)
        self._normals = curves.normals(self.line)
        self.length = float(self._lengths[-1])

    def edge(self, start: float, stop: float, left: float) -> np.ndarray:
        """Return the (N, 2) line ``left`` metres beside the centre line, between two distances along it."""
        low, high = min(start, stop), max(start, stop)
        inner = self._lengths[(self._lengths > low + 0.05) & (self._lengths < high - 0.05)]
        along = np.concatenate([[low], inner, [high]])
        normal = np.column_stack([np.interp(along, self._lengths, self._normals[:, i]) for i in range(2)])
        edge = curves.point_at(self.line, along) + left * normal
        return curves.thin_out(edge if stop >= start else edge[::-1])

    def strip(self, start: float, stop: float, left: float, right: float) -> Polygon:
        """Return the area between two distances along, and two lateral positions beside, the centre line."""
        return Polygon(np.concatenate([self.edge(start, stop, left), self.edge(stop, start, right)]))

    def lane_line(self, lane: tuple[float, float], direction: int) -> np.ndarray:
        """Return the centre line of a lane in its direction of travel."""
        middle = (lane[0] + lane[1]) / 2
        return self.edge(*((self.start, self.stop) if direction > 0 else (self.stop, self.start)), middle)


@dataclass
class Arm:
    """One end of a road, seen from the junction it belongs to.

    Args:
        road: The road.
        outward: 1 if the road's line leaves the junction, -1 if it arrives there.
    """

    road: Road
    outward: int

    @property
    def mouth(self) -> float:
        """Distance along the road's line at which the junction ends."""
        return self.road.start if self.outward > 0 else self.road.stop

    def at(self, distance: float) -> float:
        """Return the distance along the road's line, ``distance`` metres away from the mouth."""
        return self.mouth + self.outward * distance

    @property
    def bearing(self) -> float:
        """Direction in which the road leaves the junction, in radians."""
        points = self.road.line[:6] if self.outward > 0 else self.road.line[::-1][:6]
        return float(np.arctan2(*(points[-1] - points[0])[::-1]))

    def corners(self) -> np.ndarray:
        """Return the (2, 2) kerb ends at the mouth: on the right and on the left when looking outward."""
        half = self.road.profile.half_width * self.outward
        return np.array([self.road.edge(self.mouth, self.mouth + 1.0, side)[0] for side in (-half, half)])


@dataclass
class Junction:
    """Where three or more roads meet.

    Args:
        center: (2,) position.
        arms: Ordered counter-clockwise by bearing.
        has_signals: Whether traffic lights stand here.
    """

    center: np.ndarray
    arms: list[Arm] = field(default_factory=list)
    has_signals: bool = False

    def area(self) -> Polygon:
        """Return the junction's tarmac, with rounded corners between neighbouring arms."""
        outline = []
        for arm, following in zip(self.arms, self.arms[1:] + self.arms[:1], strict=True):
            right, left = arm.corners()
            outline.extend([right, left])
            outline.extend(_corner(left, arm.bearing + np.pi, following.corners()[0], following.bearing))
        return Polygon(outline).buffer(0)


def _corner(start: np.ndarray, leave: float, end: np.ndarray, arrive: float) -> np.ndarray:
    """Return the inner points of a curve from ``start`` to ``end`` along two directions in radians."""
    tangents = np.array([[np.cos(leave), np.sin(leave)], [np.cos(arrive), np.sin(arrive)]])
    return curves.thin_out(curves.hermite(np.stack([start, end]), tangents, 0.5))[1:-1]


def make_network(
    rng: np.random.Generator, cells: int, spacing: float, origin: np.ndarray
) -> tuple[list[Road], list[Junction]]:
    """Lay out roads and junctions.

    Args:
        rng: Source of chance.
        cells: Grid nodes per side.
        spacing: Mean distance of neighbouring grid nodes in metres.
        origin: (2,) position of the first grid node.
    """
    grid = _thinned_grid(rng, cells)
    position = {
        cell: origin + np.array(cell) * spacing + rng.uniform(-0.13, 0.13, 2) * spacing for cell in sorted(grid)
    }
    turn = {cell: float(rng.normal(0.0, 0.14)) for cell in sorted(grid)}
    profile = {(axis, i): draw_profile(rng) for axis in range(2) for i in range(cells)}
    junctions = {
        c: Junction(position[c], has_signals=bool(rng.random() < 0.55)) for c in sorted(grid) if grid.degree(c) > 2
    }
    roads: list[Road] = []
    for chain in _chains(grid, set(junctions)):
        line = _chain_line(rng, chain, position, turn)
        axis = 0 if chain[0][1] == chain[1][1] else 1
        road = Road(len(roads), line, profile[axis, chain[0][1 - axis]], (chain[0], chain[-1]))
        roads.append(road)
        junctions[chain[0]].arms.append(Arm(road, 1))
        junctions[chain[-1]].arms.append(Arm(road, -1))
    for junction in junctions.values():
        junction.arms.sort(key=lambda arm: arm.bearing)
        _place_mouths(junction, corner=float(rng.uniform(4.0, 8.0)))
    return roads, list(junctions.values())


def _thinned_grid(rng: np.random.Generator, cells: int) -> nx.Graph:
    """Return a grid graph from which some edges are taken, so that many junctions have three arms."""
    grid = nx.grid_2d_graph(cells, cells)
    edges = sorted(grid.edges)
    for index in rng.permutation(len(edges))[: len(edges) // 6]:
        a, b = edges[index]
        grid.remove_edge(a, b)
        if min(grid.degree(a), grid.degree(b)) < 2 or not nx.is_connected(grid):
            grid.add_edge(a, b)
    return grid


def _chains(grid: nx.Graph, ends: set[Cell]) -> list[list[Cell]]:
    """Return the paths between cells of ``ends`` through cells with two neighbours, each once."""
    found = {}
    for first in sorted(ends):
        for second in sorted(grid[first]):
            chain = [first, second]
            while chain[-1] not in ends:
                chain.append(next(n for n in grid[chain[-1]] if n != chain[-2]))
            if tuple(chain[::-1]) not in found:
                found[tuple(chain)] = chain
    return list(found.values())


def _chain_line(
    rng: np.random.Generator, chain: list[Cell], position: dict[Cell, np.ndarray], turn: dict[Cell, float]
) -> np.ndarray:
    """Return the curve of a road through the cells of ``chain``."""
    knots = [position[cell] for cell in chain]
    tangents = []
    for before, cell, after in zip([chain[0], *chain[:-1]], chain, [*chain[1:], chain[-1]], strict=True):
        direction = np.arctan2(after[1] - before[1], after[0] - before[0]) + turn[cell]
        tangents.append([np.cos(direction), np.sin(direction)])
    if len(chain) == 2 and rng.random() < 0.6:
        along = knots[1] - knots[0]
        bend = rng.uniform(-0.1, 0.1)
        knots.insert(1, (knots[0] + knots[1]) / 2 + bend * np.array([-along[1], along[0]]))
        direction = np.arctan2(along[1], along[0]) + rng.normal(0.0, 0.1)
        tangents.insert(1, [np.cos(direction), np.sin(direction)])
    return curves.hermite(np.array(knots), np.array(tangents), 1.0)


def _place_mouths(junction: Junction, corner: float) -> None:
    """Move every mouth so far out that kerbs of neighbouring arms don't cross and leave room for a corner."""
    for i, arm in enumerate(junction.arms):
        distance = 0.0
        for other in (junction.arms[i - 1], junction.arms[(i + 1) % len(junction.arms)]):
            angle = abs((other.bearing - arm.bearing + np.pi) % (2 * np.pi) - np.pi)
            if angle < np.radians(150):
                halves = other.road.profile.half_width + arm.road.profile.half_width * np.cos(angle)
                distance = max(distance, halves / np.sin(angle) + corner / np.tan(angle / 2))
        distance = min(max(distance, 8.0), 32.0)
        if arm.outward > 0:
            arm.road.start = distance
        else:
            arm.road.stop = arm.road.length - distance
