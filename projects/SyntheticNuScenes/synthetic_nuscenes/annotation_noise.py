"""Deviations of a published map and published poses from the world, as in real datasets."""

from __future__ import annotations

import copy

import numpy as np
from scipy.spatial import cKDTree
from shapely.geometry import LineString, Polygon

from . import curves
from .calibration import planar_pose
from .map_expansion import MapContent, MapGeometry, token

NOISE_MODES = ('none', 'nuscenes')
ROAD_OFFSET = 0.25
ROAD_ROTATION = np.radians(0.4)
POSE_OFFSET = 0.08
POSE_ROTATION = np.radians(0.12)
MISSING = SHIFTED = 0.06
LENGTHENED = 0.08
STALE = 0.05


class LocalisationError:
    """The smooth error of published poses over time.

    Args:
        seed: Chooses the error.
        mode: One of `NOISE_MODES`; ``'none'`` is no error at all.
    """

    def __init__(self, seed: int, mode: str) -> None:
        rng = np.random.default_rng([seed, 21])
        self._rates = 2 * np.pi / rng.uniform(4.0, 16.0, (6, 3))
        self._phases = rng.uniform(0, 2 * np.pi, (6, 3))
        weights = rng.uniform(0.5, 1.0, (6, 3))
        weights *= np.sqrt(2.0 / (weights**2).sum(axis=0)) * (mode != 'none')
        self._weights = weights * [POSE_OFFSET, POSE_OFFSET, POSE_ROTATION]

    def delta(self, time: float) -> np.ndarray:
        """Return the (4, 4) error at ``time``: published pose = true pose @ delta."""
        x, y, yaw = (self._weights * np.sin(self._rates * time + self._phases)).sum(axis=0)
        return planar_pose(x, y, yaw)


def publish_map(content: MapContent, seed: int, mode: str) -> MapContent:
    """Return the map with annotation errors; ``content`` is not changed.

    Args:
        content: The true map expansion.
        seed: Chooses the errors.
        mode: One of `NOISE_MODES`; ``'none'`` returns an equal copy.
    """
    published = copy.deepcopy(content)
    if mode == 'none':
        return published
    rng = np.random.default_rng([seed, 22])
    _redraw_dividers(rng, published)
    _forget_and_keep_stale(rng, published)
    _move_roads(rng, published, MapGeometry(content))
    return published


def _redraw_dividers(rng: np.random.Generator, content: MapContent) -> None:
    """Leave out some dividers, shift some sideways and extend some beyond their paint."""
    geometry = MapGeometry(content)
    for layer in ('road_divider', 'lane_divider'):
        kept = []
        for record in content[layer]:
            points, chance = geometry.line(record), rng.random()
            if len(points) < 2 or chance >= MISSING + SHIFTED + LENGTHENED:
                kept.append(record)
            elif chance >= MISSING:
                if chance < MISSING + SHIFTED:
                    points = curves.offset(points, float(rng.choice([-1, 1]) * rng.uniform(0.3, 0.8)))
                else:
                    end = points[-1] - points[-2]
                    points = np.vstack([points, points[-1] + end / np.linalg.norm(end) * rng.uniform(2.0, 6.0)])
                kept.append(_with_line(content, record, points, layer))
        content[layer] = kept


def _with_line(content: MapContent, record: dict, points: np.ndarray, layer: str) -> dict:
    nodes = _add_nodes(content, points, record['token'])
    line = {'token': token('published line', record['token']), 'node_tokens': nodes}
    content['line'].append(line)
    old = record.get(f'{layer}_segments') or [{'segment_type': 'NIL'}]
    kinds = [old[min(i, len(old) - 1)]['segment_type'] for i in range(len(nodes))]
    pieces = [{'node_token': n, 'segment_type': k} for n, k in zip(nodes, kinds, strict=True)]
    return {**record, 'line_token': line['token'], f'{layer}_segments': pieces}


def _add_nodes(content: MapContent, points: np.ndarray, name: str) -> list[str]:
    tokens = [token('published node', name, i) for i in range(len(points))]
    content['node'] += [{'token': t, 'x': float(x), 'y': float(y)} for t, (x, y) in zip(tokens, points, strict=True)]
    return tokens


def _forget_and_keep_stale(rng: np.random.Generator, content: MapContent) -> None:
    """Drop a few crossings and stop lines, and add a few where there are none."""
    geometry = MapGeometry(content)
    roads = [geometry.polygon(r['polygon_token']) for r in content['road_segment'] if not r.get('is_intersection')]
    for layer in ('ped_crossing', 'stop_line'):
        records, kept = content[layer], []
        count = int(np.ceil(STALE * len(records)))
        for i in rng.permutation(len(records)):
            shape = geometry.polygon(records[i]['polygon_token'])
            moved = _moved_along_road(rng, shape, roads) if len(kept) < count and not shape.is_empty else None
            if moved is not None:
                name = f'stale {records[i]["token"]}'
                polygon = {
                    'token': token('published polygon', name),
                    'exterior_node_tokens': _add_nodes(content, moved, name),
                    'holes': [],
                }
                content['polygon'].append(polygon)
                kept.append({**records[i], 'token': token(layer, name), 'polygon_token': polygon['token']})
        forgotten = set(rng.permutation(len(records))[:count].tolist()) if layer == 'stop_line' else set()
        content[layer] = [r for i, r in enumerate(records) if i not in forgotten] + kept


def _moved_along_road(rng: np.random.Generator, shape: Polygon, roads: list[Polygon]) -> np.ndarray | None:
    """Return the corners of ``shape``, moved 14 to 25 m along the road it lies on, or None where the road ends."""
    corners = np.asarray(shape.minimum_rotated_rectangle.exterior.coords)
    sides = sorted((corners[1] - corners[0], corners[2] - corners[1]), key=np.linalg.norm)
    shift = sides[0] / np.linalg.norm(sides[0]) * rng.uniform(14.0, 25.0)
    outline = np.asarray(shape.exterior.coords)[:-1]
    for moved in (outline + shift, outline - shift):
        if any(road.contains(Polygon(moved).centroid) for road in roads):
            return moved
    return None


def _move_roads(rng: np.random.Generator, content: MapContent, truth: MapGeometry) -> None:
    """Shift and rotate every road as a whole; areas between roads follow smoothly."""
    roads = (
        [truth.polygon(r['polygon_token']) for r in truth.content['road_segment'] if not r.get('is_intersection')]
        or truth.polygons('road_segment')
        or truth.polygons('lane')
    )
    roads = [part for road in roads for part in getattr(road, 'geoms', [road]) if not part.is_empty]
    centre = np.array([road.centroid.coords[0] for road in roads])
    offset, angle = rng.normal(0.0, ROAD_OFFSET, (len(roads), 2)), rng.normal(0.0, ROAD_ROTATION, len(roads))
    samples = [curves.resample(np.asarray(LineString(road.exterior).coords), 4.0) for road in roads]
    owner = np.repeat(np.arange(len(roads)), [len(s) for s in samples])
    tree = cKDTree(np.concatenate(samples))

    def move(xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        distance, index = tree.query(xy, k=min(24, len(owner)))
        weight = 1.0 / (distance**2 + 4.0) ** 2
        weight /= weight.sum(axis=1, keepdims=True)
        road = owner[index]
        arm = xy[:, None] - centre[road]
        turned = np.stack([-arm[..., 1], arm[..., 0]], axis=-1) * angle[road][..., None]
        return xy + ((offset[road] + turned) * weight[..., None]).sum(axis=1), (angle[road] * weight).sum(axis=1)

    moved, _ = move(np.array([[n['x'], n['y']] for n in content['node']]))
    for node, (x, y) in zip(content['node'], moved, strict=True):
        node['x'], node['y'] = float(x), float(y)
    for paths in content['arcline_path_3'].values():
        for path in paths:
            poses = np.array([path['start_pose'], path['end_pose']], dtype=float)
            xy, turn = move(poses[:, :2])
            path['start_pose'], path['end_pose'] = np.column_stack([xy, poses[:, 2] + turn]).tolist()
