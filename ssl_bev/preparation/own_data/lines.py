"""The contents of each line of a drives file; docs/own_data.md explains them.

{"type": "format", ...}   the first line: version, name of the dataset, origin of the intrinsics
{"type": "rig", ...}      cameras, optionally a lidar, and their poses on the vehicle
{"type": "scene", ...}    a drive with one rig
{"type": "frame", ...}    a time of a scene: pose of the vehicle, images, optionally points

Convention: vehicle x forward, y left, z up, origin on the road; camera x right, y down, z forward; world z up. Metres,
seconds, pixels. Poses transform points from the first frame to the second: camera_to_vehicle, vehicle_to_world.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ssl_bev.files.lens import MODELS
from ssl_bev.files.rules import (
    Fault,
    Key,
    Rule,
    list_of,
    mapping,
    name,
    number,
    numbers,
    one_of,
    path,
    record,
    true_or_false,
    whole,
)

from ..table_values import NORM_TOLERANCE, UPRIGHT, rigid_matrix

FORMAT = 'ssl_bev drives'
VERSION = 1
# Where the centre of the top-left pixel is in the intrinsics: (0, 0), as in OpenCV, or (0.5, 0.5).
PIXEL_CENTERS = {'integer': 0.5, 'half': 0.0}
# Seconds since 1970 are below this number, values in all other units are above.
_LATEST = 1e10


def pose(upright: bool = False) -> Rule:
    """A translation and a rotation; a 4x4 matrix. With `upright` the z axes of both frames point up."""
    keys = {
        'translation': Key(numbers([3], 'x, y, z in metres')),
        'rotation_wxyz': Key(numbers([4], 'the quaternion w, x, y, z')),
    }
    wrong = {
        'rotation': 'does it begin or end with w? say so: write rotation_wxyz, w first',
        'rotation_xyzw': 'put w first and call it rotation_wxyz',
        'matrix': 'write translation and rotation_wxyz; scipy.spatial.transform.Rotation.from_matrix converts',
    }
    check = record(keys, wrong)

    def rule(value: Any) -> np.ndarray:  # (4, 4)
        parts = check(value)
        length = np.linalg.norm(parts['rotation_wxyz'])
        if abs(length - 1) > NORM_TOLERANCE:
            raise Fault('must have the length 1', parts['rotation_wxyz'], keys=['rotation_wxyz'])
        matrix = rigid_matrix(parts['translation'], parts['rotation_wxyz'])
        if upright and matrix[2, 2] < UPRIGHT:
            remedy = 'is w first? do z of vehicle and world point up?'
            raise Fault('puts the vehicle on its side or roof', parts['rotation_wxyz'], remedy, ['rotation_wxyz'])
        return matrix

    return rule


_SIZE = {'width': Key(whole(1, 65536)), 'height': Key(whole(1, 65536))}
_FOCAL = Key(number(1e-3, 1e6, 'number of pixels'))
_CENTER = Key(number(-1e6, 1e6, 'number of pixels'))
_INTRINSICS = {'fx': _FOCAL, 'fy': _FOCAL, 'cx': _CENTER, 'cy': _CENTER}
_IMAGE_PLANE = {**_SIZE, 'intrinsics': Key(record(_INTRINSICS))}
_DISTORTION = {
    'model': Key(one_of(MODELS)),
    'coefficients': Key(list_of(number(-1e6, 1e6), "coefficients in OpenCV's order")),
}
_CAMERA = {
    **_IMAGE_PLANE,
    'distortion': Key(record(_DISTORTION), None),
    'undistorted': Key(record(_IMAGE_PLANE), None),
    'camera_to_vehicle': Key(pose()),
}
_LIDAR = {'lidar_to_vehicle': Key(pose()), 'num_features': Key(whole(3, 64))}
_time = number(-_LATEST, _LATEST, 'number of seconds', 'divide milli-, micro- or nanoseconds by 1e3, 1e6 or 1e9')
_IMAGE = {'path': Key(path), 'timestamp': Key(_time, None), 'vehicle_to_world': Key(pose(upright=True), None)}

LINES: dict[str, Rule] = {
    'format': record(
        {
            'type': Key(str),
            'name': Key(one_of([FORMAT])),
            'version': Key(whole(VERSION, VERSION)),
            'dataset': Key(name),
            'pixel_centers': Key(one_of(PIXEL_CENTERS)),
        }
    ),
    'rig': record(
        {
            'type': Key(str),
            'name': Key(name),
            'cameras': Key(mapping(record(_CAMERA), 'camera')),
            'lidar': Key(record(_LIDAR), None),
        }
    ),
    'scene': record(
        {
            'type': Key(str),
            'name': Key(name),
            'rig': Key(name),
            'split': Key(name, 'train'),
            'location': Key(name, ''),
            'label_raster': Key(path, None),
        }
    ),
    'frame': record(
        {
            'type': Key(str),
            'token': Key(name),
            'scene': Key(name),
            'timestamp': Key(_time),
            'vehicle_to_world': Key(pose(upright=True)),
            'images': Key(mapping(record(_IMAGE), 'image')),
            'lidar': Key(path, None),
            'label_raster': Key(path, None),
            'is_keyframe': Key(true_or_false, True),
        }
    ),
}
