"""A hand-made nuScenes-format root: three scenes of three keyframes, two cameras, one crossroads map.

Every ego car starts at (100, 100) and drives 10 m/s along its heading; CAM_FRONT fires 30 ms and CAM_BACK 20 ms
before the lidar. Between keyframes, 0.5 s apart, there are two camera sweeps.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

VERSION = 'v1.0-mini'
# Names of the official mini splits: two for training, one for validation. Headings in radians.
SCENES = {'scene-0061': 0.0, 'scene-0553': np.pi / 2, 'scene-0103': 0.3}
IMAGE_SIZE = (48, 96)
FOCAL = 60.0
SPEED = 10.0
START = np.array([100.0, 100.0])
TRIGGER_OFFSETS = {'CAM_FRONT': -0.03, 'CAM_BACK': -0.02, 'LIDAR_TOP': 0.0}
SENSOR_POSITIONS = {'CAM_FRONT': [1.5, 0, 1.5], 'CAM_BACK': [0, 0, 1.5], 'LIDAR_TOP': [0.9, 0, 1.84]}
# Quaternions: cameras look forward and back with x right, y down; the lidar's y looks forward.
SENSOR_ROTATIONS = {'CAM_FRONT': [0.5, -0.5, 0.5, -0.5], 'CAM_BACK': [0.5, -0.5, -0.5, 0.5]}
SENSOR_ROTATIONS['LIDAR_TOP'] = [np.sqrt(0.5), 0, 0, -np.sqrt(0.5)]


def write_tiny_root(root: Path) -> Path:
    """Write the root and return it."""
    tables = {
        'sensor': [{'token': f's-{c}', 'channel': c, 'modality': c[:3].lower()} for c in SENSOR_POSITIONS],
        'calibrated_sensor': [
            {
                'token': f'c-{channel}',
                'sensor_token': f's-{channel}',
                'translation': SENSOR_POSITIONS[channel],
                'rotation': SENSOR_ROTATIONS[channel],
                'camera_intrinsic': [[FOCAL, 0, 48], [0, FOCAL, 20], [0, 0, 1]] if channel[0] == 'C' else [],
            }
            for channel in SENSOR_POSITIONS
        ],
        'category': [{'token': 'cat', 'name': 'vehicle.car'}],
        'log': [{'token': 'log', 'location': 'singapore-onenorth'}],
        **{name: [] for name in ('scene', 'sample', 'sample_data', 'ego_pose', 'sample_annotation', 'instance')},
    }
    for number, (name, heading) in enumerate(SCENES.items()):
        _add_scene(root, tables, name, heading, 1_500_000_000 + 100 * number)
    folder = root / VERSION
    folder.mkdir(parents=True)
    for name, records in tables.items():
        (folder / f'{name}.json').write_text(json.dumps(records))
    (root / 'maps' / 'expansion').mkdir(parents=True)
    (root / 'maps' / 'expansion' / 'singapore-onenorth.json').write_text(json.dumps(crossroads_map()))
    return root


def crossroads_map() -> dict:
    """A 20 m wide road along x with a hole in it, a divider ahead left of (100, 100), a crossing and a stop line."""
    content: dict = {name: [] for name in ('node', 'line', 'polygon', 'walkway', 'lane')} | {'version': '1.3'}

    def nodes(points):
        tokens = [f'n{len(content["node"]) + i}' for i in range(len(points))]
        content['node'] += [{'token': t, 'x': x, 'y': y} for t, (x, y) in zip(tokens, points, strict=True)]
        return tokens

    def polygon(points, holes=()):
        token = f'p{len(content["polygon"])}'
        rings = [{'node_tokens': nodes(hole)} for hole in holes]
        content['polygon'].append({'token': token, 'exterior_node_tokens': nodes(points), 'holes': rings})
        return token

    def line(points):
        token = f'l{len(content["line"])}'
        content['line'].append({'token': token, 'node_tokens': nodes(points)})
        return token

    hole = rectangle(85, 92, 90, 96)
    content['drivable_area'] = [{'token': 'd', 'polygon_tokens': [polygon(rectangle(50, 90, 150, 110), [hole])]}]
    content['lane_divider'] = [{'token': 'ld', 'line_token': line([(104, 103), (112, 103)])}]
    content['road_divider'] = [{'token': 'rd', 'line_token': line([(60, 100), (98, 100)])}]
    content['ped_crossing'] = [{'token': 'pc', 'polygon_token': polygon(rectangle(115, 90, 118, 110))}]
    content['stop_line'] = [{'token': 'sl', 'polygon_token': polygon(rectangle(113, 90, 114, 100))}]
    return content


def rectangle(x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
    """Its corners, counter-clockwise."""
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def _add_scene(root: Path, tables: dict, name: str, heading: float, start: int) -> None:
    samples = [f'{name}-sample{i}' for i in range(3)]
    tables['scene'].append(
        {'token': f'{name}-token', 'name': name, 'log_token': 'log', 'first_sample_token': samples[0]}
    )
    tables['instance'].append({'token': f'{name}-instance', 'category_token': 'cat'})
    for i, token in enumerate(samples):
        links = {'prev': samples[i - 1] if i else '', 'next': samples[i + 1] if i < 2 else ''}
        tables['sample'].append(
            {'token': token, 'timestamp': round((start + 0.5 * i) * 1e6), 'scene_token': f'{name}-token', **links}
        )
        boxes = [f'{name}-box{j}' for j in range(3)]
        tables['sample_annotation'].append(
            {
                'token': boxes[i],
                'sample_token': token,
                'instance_token': f'{name}-instance',
                'translation': [*(_position(heading, 0.5 * i) + 10 * _direction(heading)), 0.8],
                'rotation': _quaternion(heading),
                'size': [1.9, 4.5, 1.6],
                'num_lidar_pts': 5,
                'num_radar_pts': 0,
                'prev': boxes[i - 1] if i else '',
                'next': boxes[i + 1] if i < 2 else '',
            }
        )
    for channel in SENSOR_POSITIONS:
        times = [0.5 * i + k / 6 for i in range(3) for k in range(3 if i < 2 else 1)]
        tokens = [f'{name}-{channel}-{i}' for i in range(len(times))]
        for i, time in enumerate(times):
            is_key, fired = i % 3 == 0, time + TRIGGER_OFFSETS[channel]
            file = f'{"samples" if is_key else "sweeps"}/{channel}/{tokens[i]}.jpg'
            pose = {'token': f'e-{tokens[i]}', 'translation': [*_position(heading, fired), 0.0]}
            tables['ego_pose'].append(pose | {'rotation': _quaternion(heading)})
            tables['sample_data'].append(
                {
                    'token': tokens[i],
                    'sample_token': samples[i // 3],
                    'ego_pose_token': pose['token'],
                    'calibrated_sensor_token': f'c-{channel}',
                    'timestamp': round((start + fired) * 1e6),
                    'filename': file,
                    'is_key_frame': is_key,
                    'height': IMAGE_SIZE[0] if channel[0] == 'C' else 0,
                    'width': IMAGE_SIZE[1] if channel[0] == 'C' else 0,
                    'prev': tokens[i - 1] if i else '',
                    'next': tokens[i + 1] if i + 1 < len(times) else '',
                }
            )
            if channel[0] == 'C':
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                shade = np.full((*IMAGE_SIZE, 3), 10 * i + 40, np.uint8)
                cv2.imwrite(str(root / file), shade)


def _direction(heading: float) -> np.ndarray:
    return np.array([np.cos(heading), np.sin(heading)])


def _position(heading: float, time: float) -> np.ndarray:
    return START + SPEED * time * _direction(heading)


def _quaternion(heading: float) -> list[float]:
    return [np.cos(heading / 2), 0, 0, np.sin(heading / 2)]
