"""Vehicles, riders and pedestrians of one scene, with the ego car."""

from __future__ import annotations

import numpy as np
from shapely.geometry import LineString, Point, Polygon, box

from . import curves
from .calibration import planar_pose
from .lane_graph import LaneGraph
from .map_expansion import MapContent, MapGeometry
from .movers import Mover, simulate
from .scenery import Bounds, Scenery, car_size
from .structures import Box
from .terrain import Terrain

SIGHT = 70.0
_EGO_SIZE = (6.4, 1.73, 1.56)  # longer than the car, as its pose is that of the rear axle
_KINDS = ['vehicle.car', 'vehicle.truck', 'vehicle.bus.rigid', 'vehicle.motorcycle', 'vehicle.bicycle']
_SHARES = [0.72, 0.09, 0.05, 0.07, 0.07]
_WHEELBASE, _TRACK = 2.6, 1.5


class Traffic:
    """The moving and the static objects of one scene, around an ego car that drives along the lanes.

    Convention: world metres; times are seconds since the scene's first instant, and may reach 0.1 s before it.

    Args:
        content: The map expansion of the true world.
        seed: Chooses the ego path and everything around it.
        duration: Seconds to drive.
        terrain: Gives the height of the ground.
        density: Factor on the number of vehicles and people.
        keep_left: Whether traffic keeps left, if the map does not define it.
    """

    def __init__(
        self,
        content: MapContent,
        seed: int,
        duration: float,
        terrain: Terrain,
        density: float = 1.0,
        keep_left: bool = True,
    ) -> None:
        rng = np.random.default_rng([seed, 3])
        geometry, graph = MapGeometry(content), LaneGraph(content, keep_left)
        self.terrain, self._lead = terrain, 1.0
        cruise = float(rng.uniform(7.0, 12.0))
        path = graph.long_route(rng, cruise * (duration + 3.0) + 5.0)
        low, high = path.min(axis=0) - SIGHT, path.max(axis=0) + SIGHT
        self.bounds: Bounds = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        self.ego_path = path
        self._ego = Mover(path, cruise, _EGO_SIZE, 'ego', lateral_acceleration=2.6, slowest_turn=5.0)
        self.scenery = Scenery(geometry, seed, self.bounds, terrain)
        self._movers = [self._ego]
        self._add_vehicles(rng, graph, int(26 * density), duration)
        self._add_people(rng, geometry, int(34 * density))
        simulate(self._movers, duration + 2 * self._lead)
        self._seeds = [int(s) for s in rng.integers(1 << 30, size=len(self._movers))]

    def ego_pose(self, time: float, planar: bool = False) -> np.ndarray:
        """Return the ego car's (4, 4) pose; unless ``planar``, the terrain gives it height, pitch and roll."""
        position, heading, _ = self._ego.pose_at(time + self._lead)
        pose = planar_pose(position[0], position[1], heading)
        if planar or self.terrain.is_flat:
            return pose
        forward, left = pose[:2, 0], pose[:2, 1]
        wheels = np.array(
            [position + f * forward + s * left for f in (0.0, _WHEELBASE) for s in (-_TRACK / 2, _TRACK / 2)]
        )
        height = self.terrain.height(wheels).reshape(2, 2)  # [rear, front] x [right, left]
        ahead = np.array([*forward, (height[1].mean() - height[0].mean()) / _WHEELBASE])
        aside = np.array([*left, (height[:, 1].mean() - height[:, 0].mean()) / _TRACK])
        ahead /= np.linalg.norm(ahead)
        up = np.cross(ahead, aside)
        up /= np.linalg.norm(up)
        pose[:3, :3] = np.column_stack([ahead, np.cross(up, ahead), up])
        pose[2, 3] = height[0].mean()
        return pose

    def boxes_at(self, time: float) -> list[Box]:
        """Return everything but the ego car at ``time``; an instance keeps its number."""
        boxes, first = list(self.scenery.boxes), len(self.scenery.boxes)
        for i, mover in enumerate(self._movers[1:]):
            xy, heading, velocity = mover.pose_at(time + self._lead)
            z = float(self.terrain.height(xy)) + mover.size[2] / 2
            speed = (float(velocity[0]), float(velocity[1]))
            boxes.append(Box(np.array([*xy, z]), mover.size, heading, mover.category, self._seeds[i], speed, first + i))
        return boxes

    def _add_vehicles(self, rng: np.random.Generator, graph: LaneGraph, count: int, duration: float) -> None:
        area = box(*self.bounds)
        lanes = [lane for lane in graph.lanes if LineString(graph.line(lane)).intersects(area)]
        starts = [self.ego_path[0]]
        for _ in range(count * 3):
            if len(self._movers) > count:
                break
            lane = str(rng.choice(lanes))
            skip = float(rng.uniform(0.0, 0.9)) * graph.length(lane)
            kind, cruise = str(rng.choice(_KINDS, p=_SHARES)), float(rng.uniform(6.0, 12.0))
            path = graph.route(rng, 12.0 * (duration + 3.0), lane, skip)
            inside = area.contains(Point(path[0]))
            if not inside or min(np.linalg.norm(path[0] - s) for s in starts) < 14.0 or len(path) < 20:
                continue
            starts.append(path[0])
            if kind == 'vehicle.bicycle':
                cruise *= 0.45
            self._movers.append(Mover(path, cruise, _size(rng, kind), kind))

    def _add_people(self, rng: np.random.Generator, geometry: MapGeometry, count: int) -> None:
        area, ego = box(*self.bounds), LineString(self.ego_path).buffer(2.2)
        paths = [_along(walk) for walk in geometry.polygons('walkway') if walk.intersects(area)]
        paths = [p for p in paths if p is not None]
        crossings = [c for c in geometry.polygons('ped_crossing') if c.intersects(area)]
        for crossing in crossings:
            for _ in range(int(rng.integers(0, 4))):
                path = _across(rng, crossing)
                # Pedestrians who would cross in front of the ego car wait at the kerb.
                waits = crossing.intersects(ego)
                if waits:
                    path = path[0] - (path[-1] - path[0]) * 0.02 + np.array([[0.0, 0.0], [0.01, 0.0]])
                self._movers.append(_person(rng, path, 0.01 if waits else float(rng.uniform(0.9, 1.7))))
        for index in rng.integers(len(paths), size=count if paths else 0):
            ring = paths[index]
            turned = ring[::-1] if rng.random() < 0.5 else ring
            shift = int(rng.integers(len(ring)))
            path = np.concatenate([turned[shift:], turned[1 : shift + 1]])
            self._movers.append(_person(rng, path, float(rng.choice([0.01, rng.uniform(0.8, 1.7)], p=[0.2, 0.8]))))


def _size(rng: np.random.Generator, kind: str) -> tuple[float, float, float]:
    if kind == 'vehicle.car':
        return car_size(rng)
    base = {
        'vehicle.truck': (7.2, 2.5, 3.0),
        'vehicle.bus.rigid': (11.0, 2.8, 3.3),
        'vehicle.motorcycle': (2.1, 0.8, 1.5),
        'vehicle.bicycle': (1.75, 0.6, 1.4),
    }[kind]
    return tuple(round(float(v * f), 3) for v, f in zip(base, rng.uniform(0.93, 1.07, 3), strict=True))


def _person(rng: np.random.Generator, path: np.ndarray, speed: float) -> Mover:
    is_child = rng.random() < 0.08
    height = round(float(rng.uniform(1.0, 1.35) if is_child else rng.uniform(1.55, 1.92)), 3)
    side = round(float(rng.uniform(0.55, 0.85)), 3)
    category = 'human.pedestrian.child' if is_child else 'human.pedestrian.adult'
    return Mover(path, speed, (side, side, height), category, yields=False)


def _along(walkway: Polygon) -> np.ndarray | None:
    """Return a closed path inside a walkway, or None where it is too narrow or short."""
    inner = max(getattr(walkway.buffer(-0.5), 'geoms', [walkway.buffer(-0.5)]), key=lambda g: g.area)
    if inner.is_empty or inner.length < 20.0:
        return None
    return curves.resample(np.asarray(inner.exterior.coords), 0.5)


def _across(rng: np.random.Generator, crossing: Polygon) -> np.ndarray:
    """Return a path over a crossing from kerb to kerb, in either direction."""
    corners = np.asarray(crossing.minimum_rotated_rectangle.exterior.coords)[:4]
    if np.linalg.norm(corners[1] - corners[0]) < np.linalg.norm(corners[2] - corners[1]):
        corners = np.roll(corners, -1, axis=0)
    share = float(rng.uniform(0.2, 0.8))
    start = corners[0] * share + corners[3] * (1 - share)
    end = corners[1] * share + corners[2] * (1 - share)
    reach = (end - start) / np.linalg.norm(end - start)
    ends = np.stack([start - reach, end + reach])
    return curves.resample(ends if rng.random() < 0.5 else ends[::-1], 0.5)
