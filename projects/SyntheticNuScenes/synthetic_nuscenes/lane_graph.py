"""The lanes of a map expansion as a graph on which to drive."""

from __future__ import annotations

import numpy as np
from nuscenes.map_expansion.arcline_path_utils import discretize_lane
from scipy.ndimage import gaussian_filter1d

from . import curves
from .derived_lanes import derive_lanes
from .map_expansion import MapContent

_STEP = 0.5


class LaneGraph:
    """Lanes and lane connectors, each a polyline with successors.

    Args:
        content: A map expansion. Lanes without ``arcline_path_3`` are left out, unless none has one: then the middle of
            their polygons serves.
        keep_left: Whether traffic keeps to the left, which polygons alone may not tell.

    Raises:
        ValueError: If nothing can drive on the map, naming what it lacks.
    """

    def __init__(self, content: MapContent, keep_left: bool = True) -> None:
        lanes = [record['token'] for record in content['lane']]
        if not lanes:
            raise ValueError("the layer 'lane' is empty, so nothing can drive on this map")
        known = {t: path for t, path in content.get('arcline_path_3', {}).items() if path}
        self._paths = known if not known.keys().isdisjoint(lanes) else {}
        self._lines: dict[str, np.ndarray] = {}
        if self._paths:
            connectivity = content.get('connectivity', {})
            self.successors = {t: [s for s in connectivity.get(t, {}).get('outgoing', []) if s in known] for t in known}
        else:
            self._lines, self.successors = derive_lanes(content, keep_left)
        self.lanes = [t for t in self.successors if t in set(lanes)]
        if not self.lanes:
            raise ValueError(
                f'nothing can drive on this map: none of its {len(lanes)} lanes has an arcline_path_3, or a polygon '
                'with an area and two long edges that lies on drivable_area'
            )

    def line(self, lane: str) -> np.ndarray:
        """Return the (N, 2) centre line of a lane or connector."""
        if lane not in self._lines:
            points = np.array(discretize_lane(self._paths[lane], _STEP))[:, :2]
            # Arcs meet to the centimetre only; steps that short would turn the heading at random.
            keep = np.concatenate([[True], np.linalg.norm(np.diff(points, axis=0), axis=1) > 0.1])
            self._lines[lane] = points[keep] if keep.sum() > 1 else np.stack([points[0], points[0] + 1e-3])
        return self._lines[lane]

    def length(self, lane: str) -> float:
        """Return the length of a lane in metres."""
        if lane in self._paths:
            return float(sum(sum(path['segment_length']) for path in self._paths[lane]))
        return float(curves.arc_lengths(self._lines[lane])[-1])

    def route(self, rng: np.random.Generator, length: float, start: str | None = None, skip: float = 0.0) -> np.ndarray:
        """Return a smooth (N, 2) path over successive lanes.

        Args:
            rng: Chooses the way at junctions.
            length: Wanted length in metres; the path is shorter only where the lanes end.
            start: First lane; None draws one.
            skip: Metres of the first lane to leave behind.
        """
        lane = start or str(rng.choice(self.lanes))
        pieces, total = [self.line(lane)], self.length(lane) - skip
        while total < length and self.successors[lane]:
            options = self.successors[lane]
            lane = options[int(rng.integers(len(options)))]
            pieces.append(self.line(lane))
            total += self.length(lane)
        line = np.concatenate(pieces)
        keep = np.concatenate([[True], np.linalg.norm(np.diff(line, axis=0), axis=1) > 0.1])
        line = smooth(curves.resample(line[keep], _STEP))
        return curves.cut(line, min(skip, total / 2), min(skip + length, _extent(line)))

    def long_route(self, rng: np.random.Generator, length: float, tries: int = 60) -> np.ndarray:
        """Return the first of ``tries`` random routes that is long enough, or else the longest."""
        best: np.ndarray | None = None
        for _ in range(tries):
            lane = str(rng.choice(self.lanes))
            line = self.route(rng, length, lane, float(rng.uniform(0.0, 0.8)) * self.length(lane))
            if best is None or _extent(line) > _extent(best):
                best = line
            if _extent(best) >= length - 1.0:
                break
        assert best is not None
        return best


def smooth(line: np.ndarray) -> np.ndarray:
    """Round the kinks of a path of half-metre steps, as a steering wheel would; its ends stay."""
    rounded = gaussian_filter1d(line, 3.0, axis=0, mode='nearest')
    weight = np.clip(np.minimum(np.arange(len(line)), np.arange(len(line))[::-1]) / 12.0, 0.0, 1.0)[:, None]
    return weight * rounded + (1 - weight) * line


def _extent(line: np.ndarray) -> float:
    return float(curves.arc_lengths(line)[-1])
