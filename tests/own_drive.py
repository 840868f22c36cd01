"""A small drive of one's own: lines of a drives file, and its images.

The vehicle drives 10 m/s along the world's x; frames every 0.2 s. Cameras look outwards, evenly spread, 1.5 m high.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np

from ssl_bev.datasets import BEVDataset
from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.preparation.own_data import create_own_data, pose

INFOS = 'ssl_bev_infos_train.pkl'
SPEED, STEP = 10.0, 0.2
FORMAT = {'type': 'format', 'name': 'ssl_bev drives', 'version': 1, 'dataset': 'own', 'pixel_centers': 'half'}
LOOKING_FORWARD = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])


def mount(yaw: float, height: float = 1.5) -> np.ndarray:  # (4, 4)
    """A camera above the origin of the vehicle that looks towards `yaw`."""
    matrix = np.eye(4)
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    matrix[:3, :3] = turn @ LOOKING_FORWARD
    matrix[:3, 3] = [*(0.5 * turn[:2, 0]), height]
    return matrix


def vehicle(time: float) -> np.ndarray:  # (4, 4)
    """Its pose in the world."""
    matrix = np.eye(4)
    matrix[0, 3] = SPEED * time
    return matrix


def rig(sizes: Mapping[str, tuple[int, int]]) -> dict:
    """A rig whose cameras have these sizes, (height, width)."""
    cameras = {}
    for number, (name, (height, width)) in enumerate(sizes.items()):
        cameras[name] = {
            'width': width,
            'height': height,
            'intrinsics': {'fx': 0.6 * width, 'fy': 0.6 * width, 'cx': width / 2, 'cy': height / 2},
            'camera_to_vehicle': pose(mount(2 * np.pi * number / len(sizes))),
        }
    return {'type': 'rig', 'name': 'car', 'cameras': cameras}


def frame(index: int, cameras: Iterable[str], scene: str = 'drive', **more: object) -> dict:
    """A frame of a scene."""
    return {
        'type': 'frame',
        'token': f'{scene}-{index}',
        'scene': scene,
        'timestamp': 1000 + STEP * index,
        'vehicle_to_world': pose(vehicle(STEP * index)),
        'images': {name: {'path': f'images/{name}/{index:03d}.png'} for name in cameras},
        **more,
    }


def drive(sizes: Mapping[str, tuple[int, int]], count: int = 4) -> list[dict]:
    """The lines of one scene."""
    scene = {'type': 'scene', 'name': 'drive', 'rig': 'car'}
    return [dict(FORMAT), rig(sizes), scene, *(frame(index, sizes) for index in range(count))]


def write(root: Path, lines: list[dict], with_images: bool = True) -> Path:
    """Write drives file and images below a root; returns the file."""
    root.mkdir(parents=True, exist_ok=True)
    file = root / 'drives.jsonl'
    file.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    cameras = {name: camera for line in lines if line['type'] == 'rig' for name, camera in line['cameras'].items()}
    for line in lines if with_images else ():
        for name, image in line.get('images', {}).items():
            (root / image['path']).parent.mkdir(parents=True, exist_ok=True)
            size = cameras[name]['height'], cameras[name]['width'], 3
            cv2.imwrite(str(root / image['path']), np.full(size, 90, np.uint8))
    return file


def create(root: Path, lines: list[dict], **arguments: object) -> list[dict]:
    """Info file and labels beside the images; returns the frames."""
    create_own_data(root, [write(root, lines)], root, show_progress=False, **arguments)
    return read_info_file(root / INFOS)['data_list']


def dataset(root: Path, pipeline: Iterable = (), **arguments: object) -> BEVDataset:
    """The dataset of what `create` made."""
    return BEVDataset(INFOS, list(pipeline), data_root=str(root), **{'with_labels': False} | arguments)
