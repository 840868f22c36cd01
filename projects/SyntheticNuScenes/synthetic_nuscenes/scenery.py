"""Static objects beside the roads: buildings, trees, poles, parked vehicles, cones and barriers."""

from __future__ import annotations

import numpy as np
from shapely import STRtree, prepare
from shapely.geometry import LineString, Point, Polygon, box
from shapely.ops import nearest_points, unary_union

from .map_expansion import MapGeometry
from .structures import Box
from .terrain import Terrain

Bounds = tuple[float, float, float, float]
_CARS = [(4.6, 1.9, 1.7), (4.3, 1.8, 1.5), (4.9, 2.0, 1.9), (3.9, 1.7, 1.5), (4.7, 1.9, 1.45)]


def car_size(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw (length, width, height) of a car in metres."""
    base = _CARS[int(rng.integers(len(_CARS)))]
    return tuple(round(float(v * f), 3) for v, f in zip(base, rng.uniform(0.95, 1.06, 3), strict=True))


class Scenery:
    """Static boxes around one stretch of road.

    Args:
        geometry: The map.
        seed: Chooses what stands where.
        bounds: (x0, y0, x1, y1) in metres to fill.
        terrain: Gives the height of the ground.
    """

    def __init__(self, geometry: MapGeometry, seed: int, bounds: Bounds, terrain: Terrain) -> None:
        self._rng = np.random.default_rng([seed, 11])
        self._terrain, self._area = terrain, box(*bounds)
        self.boxes: list[Box] = []
        self._parking = self._near(geometry.polygons('carpark_area'))
        self._walkways = self._near(geometry.polygons('walkway'))
        self._road = unary_union(self._near(geometry.polygons('drivable_area')) + self._parking)
        self._paved = unary_union([self._road, *self._walkways])
        prepare(self._paved)
        prepare(self._road)
        self._park()
        self._build(bounds)
        self._plant(bounds)
        self._erect_poles()
        self._cordon_off()

    def _near(self, shapes: list[Polygon]) -> list[Polygon]:
        parts = [s.intersection(self._area) for s in shapes if s.intersects(self._area)]
        return [p for s in parts for p in getattr(s, 'geoms', [s]) if p.geom_type == 'Polygon' and not p.is_empty]

    def _add(self, xy: np.ndarray, size: tuple[float, float, float], yaw: float, category: str) -> None:
        z = float(self._terrain.height(np.asarray(xy, dtype=float))) + size[2] / 2
        seed = int(self._rng.integers(1 << 30))
        centre = np.array([xy[0], xy[1], z])
        self.boxes.append(Box(centre, size, float(yaw), category, seed, (0.0, 0.0), len(self.boxes)))

    def _park(self) -> None:
        for bay in self._parking:
            corners = np.asarray(bay.minimum_rotated_rectangle.exterior.coords)[:3]
            sides = sorted((corners[1] - corners[0], corners[2] - corners[1]), key=np.linalg.norm)
            depth, length = np.linalg.norm(sides[0]), np.linalg.norm(sides[1])
            along = sides[1] / max(length, 1e-6)
            is_parallel = depth < 4.0
            pitch = 6.1 if is_parallel else 2.7
            yaw = np.arctan2(along[1], along[0]) + (0.0 if is_parallel else np.pi / 2)
            centre = np.asarray(bay.centroid.coords[0])
            for offset in np.arange(-length / 2 + pitch / 2, length / 2 - pitch / 2 + 0.1, pitch):
                if self._rng.random() < 0.35:
                    continue
                across = LineString([centre + along * offset + s * sides[0] for s in (-1, 1)]).intersection(bay)
                middle = np.asarray(across.centroid.coords[0]) if not across.is_empty else centre
                heading = yaw + np.pi * (self._rng.random() < 0.3) + self._rng.normal(0, 0.03)
                if bay.buffer(-0.7).contains(Point(middle)):
                    self._add(middle, car_size(self._rng), heading, 'vehicle.car')

    def _build(self, bounds: Bounds) -> None:
        placed: list[Polygon] = []
        for _ in range(int((bounds[2] - bounds[0]) * (bounds[3] - bounds[1]) / 60.0)):
            xy = self._rng.uniform(bounds[:2], bounds[2:])
            size = tuple(self._rng.uniform((9, 7, 3.5), (24, 15, 22)))
            gap = self._rng.uniform(3.0, 11.0)
            near = np.asarray(nearest_points(self._paved, Point(xy))[0].coords[0])
            away = xy - near
            distance = float(np.linalg.norm(away))
            if not size[1] / 2 + gap * 0.5 < distance < 32.0:
                continue
            yaw = np.arctan2(away[1], away[0]) - np.pi / 2
            xy = near + away / distance * (size[1] / 2 + gap)
            block = Polygon(Box(np.array([*xy, 0.0]), size, yaw, '', 0, (0, 0), 0).footprint())
            if block.distance(self._paved) < 2.5 or any(block.distance(other) < 2.0 for other in placed):
                continue
            placed.append(block)
            self._add(xy, tuple(round(float(v), 2) for v in size), yaw, 'static.building')
        self._blocks = STRtree(placed)

    def _is_free(self, xy: np.ndarray, margin: float) -> bool:
        spot = Point(xy)
        return not len(self._blocks.query(spot, 'dwithin', margin))

    def _plant(self, bounds: Bounds) -> None:
        for _ in range(int((bounds[2] - bounds[0]) * (bounds[3] - bounds[1]) / 110.0)):
            xy, height = self._rng.uniform(bounds[:2], bounds[2:]), self._rng.uniform(3.5, 9.0)
            spot = Point(xy)
            if not 1.2 < spot.distance(self._road) < 25.0 or not self._is_free(xy, 2.5):
                continue
            if spot.distance(self._paved) > 0.4 or self._rng.random() < 0.2:
                crown = round(float(self._rng.uniform(2.0, 4.5)), 2)
                size = (crown, crown, round(float(height), 2))
                self._add(xy, size, self._rng.uniform(0, np.pi), 'static.tree')

    def _kerb_points(self, spacing: float, setback: float) -> list[tuple[np.ndarray, float]]:
        """Return (position, heading) beside the kerb, about every ``spacing`` metres."""
        found = []
        outline = self._road.buffer(setback)
        for part in getattr(outline, 'geoms', [outline]):
            for ring in (part.exterior, *part.interiors):
                for at in np.arange(self._rng.uniform(0, spacing), ring.length, spacing):
                    at = at + self._rng.normal(0.0, 1.5)
                    a, b = (np.asarray(ring.interpolate(d % ring.length).coords[0]) for d in (at, at + 0.5))
                    if self._area.buffer(-3.0).contains(Point(a)):
                        found.append((a, float(np.arctan2(*(b - a)[::-1]))))
        return found

    def _erect_poles(self) -> None:
        for xy, yaw in self._kerb_points(27.0, 0.6):
            if self._is_free(xy, 0.6):
                self._add(xy, (0.2, 0.2, round(float(self._rng.uniform(4.5, 8.0)), 2)), yaw, 'static.pole')

    def _cordon_off(self) -> None:
        for xy, yaw in self._kerb_points(70.0, 0.35):
            kind = self._rng.random()
            ahead = np.array([np.cos(yaw), np.sin(yaw)])
            if kind < 0.3:
                for i in range(int(self._rng.integers(2, 6))):
                    self._add(xy + ahead * 2.0 * i, (0.36, 0.36, 0.75), yaw, 'movable_object.trafficcone')
            elif kind < 0.5:
                for i in range(int(self._rng.integers(1, 4))):
                    size = (round(float(self._rng.uniform(1.6, 2.2)), 2), 0.5, 1.0)
                    self._add(xy + ahead * 2.3 * i, size, yaw, 'movable_object.barrier')
