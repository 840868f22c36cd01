"""A spinning lidar that sees the ground, its paint, and boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .calibration import LIDAR_ELEVATIONS
from .ground import Ground
from .structures import Box
from .terrain import Terrain

MAX_RANGE = 80.0
# Of 255. Paint throws light back to where it comes from.
_GROUND, _PAINT, _BOX = 12.0, 70.0, 40.0
_AZIMUTHS = 400


@dataclass(frozen=True)
class LidarScan:
    """One turn of the lidar.

    Args:
        points: (N, 5) float32: x, y, z in the lidar frame, intensity 0 to 255, ring.
        hits: Points on each box, by instance.
        reachable: Points that the box would get if nothing hid it, by instance.
    """

    points: np.ndarray
    hits: dict[int, int]
    reachable: dict[int, int]


def scan(
    lidar2world: np.ndarray, boxes: list[Box], terrain: Terrain, rng: np.random.Generator, ground: Ground | None = None
) -> LidarScan:
    """Cast all rays of one turn from the pose ``lidar2world`` (4, 4); ``ground`` is where paint is looked up."""
    azimuth = (np.arange(_AZIMUTHS) + 0.5) / _AZIMUTHS * 2 * np.pi - np.pi
    local = np.stack(
        [
            np.cos(LIDAR_ELEVATIONS)[:, None] * np.cos(azimuth),
            np.cos(LIDAR_ELEVATIONS)[:, None] * np.sin(azimuth),
            np.repeat(np.sin(LIDAR_ELEVATIONS)[:, None], _AZIMUTHS, axis=1),
        ],
        axis=-1,
    )  # (rings, azimuths, 3)
    origin, rays = lidar2world[:3, 3], local @ lidar2world[:3, :3].T
    distance = _ground_distance(origin, rays, terrain)
    owner = np.full(distance.shape, -1)
    reachable: dict[int, int] = {}
    bearing = np.arctan2(rays[0, :, 1], rays[0, :, 0])
    for box in boxes:
        away = np.asarray(box.center)[:2] - origin[:2]
        reach, radius = float(np.hypot(*away)), float(np.hypot(*box.size[:2])) / 2
        if reach - radius > MAX_RANGE:
            continue
        spread = np.arcsin(min(radius / reach, 1.0)) + 0.02 if reach > radius else np.pi
        turn = (bearing - np.arctan2(away[1], away[0]) + np.pi) % (2 * np.pi) - np.pi
        columns = np.flatnonzero(np.abs(turn) <= spread)
        if not len(columns):
            continue
        entry = _box_distance(origin, rays[:, columns], box)
        reachable[box.instance] = int(np.isfinite(entry).sum())
        rows, picked = np.nonzero(entry < distance[:, columns])
        distance[rows, columns[picked]] = entry[rows, picked]
        owner[rows, columns[picked]] = box.instance
    seen = distance < MAX_RANGE
    noisy = distance[seen] + rng.normal(0.0, 0.02, int(seen.sum()))
    ring = np.repeat(np.arange(len(LIDAR_ELEVATIONS))[:, None], _AZIMUTHS, axis=1)[seen]
    met = np.full(distance.shape, _GROUND)
    if ground is not None:
        hits = origin[:2] + rays[..., :2] * np.where(seen, distance, 0.0)[..., None]
        met += (_PAINT - _GROUND) * (ground.sample(0, hits)[0][..., 3] / 255)
    intensity = np.where(owner < 0, met, _BOX)[seen] + rng.uniform(0, 20, len(noisy))
    points = np.column_stack([local[seen] * noisy[:, None], intensity, ring]).astype(np.float32)
    instances, counts = np.unique(owner[seen], return_counts=True)
    return LidarScan(points, dict(zip(instances.tolist(), counts.tolist(), strict=True)), reachable)


def _ground_distance(origin: np.ndarray, rays: np.ndarray, terrain: Terrain) -> np.ndarray:
    """Return the distance to the ground along each ray (rings, azimuths), infinite where it is never met."""
    down = np.minimum(rays[..., 2], -1e-6)
    distance = -(origin[2] - terrain.height(origin[:2])) / down
    if not terrain.is_flat:
        for _ in range(8):
            point = origin[:2] + rays[..., :2] * np.minimum(distance, 2 * MAX_RANGE)[..., None]
            wanted = (terrain.height(point) - origin[2]) / down
            distance = np.maximum(0.5 * (distance + wanted), 0.5)
    return np.where(rays[..., 2] < -1e-6, distance, np.inf)


def _box_distance(origin: np.ndarray, rays: np.ndarray, box: Box) -> np.ndarray:
    """Return the distance at which rays (..., 3) enter a box, infinite where they miss it."""
    cos, sin = np.cos(box.yaw), np.sin(box.yaw)
    world2box = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    start = world2box @ (origin - np.asarray(box.center))
    direction = rays @ world2box.T
    direction = np.where(np.abs(direction) < 1e-9, 1e-9, direction)
    half = np.array(box.size) / 2
    first, second = (-half - start) / direction, (half - start) / direction
    enter = np.minimum(first, second).max(axis=-1)
    leave = np.maximum(first, second).min(axis=-1)
    return np.where((enter <= leave) & (enter > 0.3), enter, np.inf)
