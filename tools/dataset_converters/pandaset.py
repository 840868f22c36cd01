#!/usr/bin/env python
"""Convert a part of PandaSet into a drives file and a label raster.

python tools/dataset_converters/pandaset.py --data-root ../shared/real/pandaset_002 --out data/pandaset_002
python tools/create_data.py --data-root ../shared/real/pandaset_002 --drives data/pandaset_002/drives.jsonl \\
    --out data/pandaset_002

It reads this layout and does not write to it:
    calibration.json          sequence; cameras: name, width, height, intrinsics (3x3, whole numbers at pixel centres),
                              images (a path with {frame}), frames: frame, timestamp, camera_to_world (4x4);
                              frames: frame, timestamp, vehicle_to_world (4x4; x forward, y left, z up, z = 0 is the
                              road), lidar_file or null
    images/CAMERA/FF.jpg      undistorted
    lidar/FF.npz              points (N, 3) in the vehicle frame of their frame, and intensity (N,)
    bev_truth.npz             counts (classes, rows, columns) of labelled lidar points in cells of the world, row 0 is
                              the lowest y; classes; x_min, y_min, resolution

Labels: a cell is `drivable` if most of its points are road or paint, and `marking` if most are paint. Cells without
points are unknown.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.preparation.own_data import LabelRaster, pose, write_drives, write_label_raster
from ssl_bev.targets import IGNORE

PAINT = ('lane_line', 'other_marking')
RASTER = 'label_raster.npz'


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_common('--data-root', '--root', required=True, type=Path, help='folder with calibration.json')
    parser.add_common('--out', required=True, type=Path, help='folder for drives.jsonl and label_raster.npz')
    parser.add_argument(
        '--parts', type=int, default=1, help='number of scenes to divide the sequence into, such as 2 to train on one'
    )
    return parser.parse_args(arguments)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    print(f'{args.out}: {convert(args.data_root, args.out, args.parts)} frames')


def convert(root: Path, out: Path, parts: int = 1) -> int:
    """Write the files; returns the number of frames.

    Raises:
        FileNotFoundError: no calibration or labels.
        ValueError: fewer frames than parts.
    """
    calibration = json.loads((root / 'calibration.json').read_text())
    if not 1 <= parts <= len(calibration['frames']):
        raise ValueError(f'--parts must be 1 to {len(calibration["frames"])}, the number of frames, got {parts}')
    write_label_raster(out / RASTER, label_raster(root / 'bev_truth.npz'))
    write_drives(out / 'drives.jsonl', lines(calibration, parts))
    return len(calibration['frames'])


def lines(calibration: dict, parts: int) -> Iterator[dict]:
    """The lines of the drives file."""
    sequence = calibration['sequence'].lower().replace(' ', '-')
    yield {
        'type': 'format',
        'name': 'ssl_bev drives',
        'version': 1,
        'dataset': sequence,
        'pixel_centers': 'integer',
    }
    camera2vehicle = mounts(calibration)
    cameras = {c['name']: camera(c, camera2vehicle[c['name']]) for c in calibration['cameras']}
    lidar = {'lidar_to_vehicle': pose(np.eye(4)), 'num_features': 4}
    yield {'type': 'rig', 'name': 'car', 'cameras': cameras, 'lidar': lidar}
    scenes = [sequence] if parts == 1 else [f'{sequence}-{part}' for part in range(parts)]
    for name in scenes:
        yield {'type': 'scene', 'name': name, 'rig': 'car', 'label_raster': RASTER}
    images = {c['name']: {image['frame']: image for image in c['frames']} for c in calibration['cameras']}
    for position, frame in enumerate(calibration['frames']):
        number = frame['frame']
        yield {
            'type': 'frame',
            'token': f'{sequence}-{number:02d}',
            'scene': scenes[position * parts // len(calibration['frames'])],
            'timestamp': frame['timestamp'],
            'vehicle_to_world': pose(np.array(frame['vehicle_to_world'])),
            'images': {
                c['name']: {
                    'path': c['images'].format(frame=number),
                    'timestamp': images[c['name']][number]['timestamp'],
                    'vehicle_to_world': pose(
                        images[c['name']][number]['camera_to_world'] @ np.linalg.inv(camera2vehicle[c['name']])
                    ),
                }
                for c in calibration['cameras']
                if number in images[c['name']]
            },
            **({'lidar': frame['lidar_file']} if frame['lidar_file'] else {}),
        }


def mounts(calibration: dict) -> dict[str, np.ndarray]:
    """The pose of each camera on the vehicle, which the source lacks: its pose when the vehicle moves least.

    Images have their own poses, so this pose is not used for projection; it only splits them into vehicle and camera.
    """
    poses = {frame['frame']: np.array(frame['vehicle_to_world']) for frame in calibration['frames']}
    numbers = list(poses)
    moved = [np.linalg.norm(poses[b][:3, 3] - poses[a][:3, 3]) for a, b in pairwise(numbers)]
    still = numbers[int(np.argmin(moved))] if moved else numbers[0]
    return {
        c['name']: np.linalg.inv(poses[still]) @ next(i['camera_to_world'] for i in c['frames'] if i['frame'] == still)
        for c in calibration['cameras']
    }


def camera(source: dict, camera2vehicle: np.ndarray) -> dict:
    """A camera of the rig."""
    (fx, _, cx), (_, fy, cy), _ = source['intrinsics']
    return {
        'width': source['width'],
        'height': source['height'],
        'intrinsics': {'fx': fx, 'fy': fy, 'cx': cx, 'cy': cy},
        'camera_to_vehicle': pose(camera2vehicle),
    }


def label_raster(file: Path) -> LabelRaster:
    """The truth of bev_truth.npz."""
    with np.load(file) as content:
        counts = dict(zip(content['classes'].tolist(), content['counts'].astype(np.int64), strict=True))
        place = [float(content[key]) for key in ('x_min', 'y_min', 'resolution')]
    total = sum(counts.values())
    paint = sum(counts[name] for name in PAINT)
    layers = np.stack([2 * (paint + counts['road']) >= total, 2 * paint >= total]).astype(np.uint8)
    layers[:, total == 0] = IGNORE
    return LabelRaster(layers, ('drivable', 'marking'), frozenset(['marking']), *place)


if __name__ == '__main__':
    main()
