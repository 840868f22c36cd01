"""Is the calibration of a frame that of cameras on a car?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

_ROTATION_TOLERANCE = 1e-3
_HEIGHTS = (0.3, 4.0)  # metres above the road: low bumper to roof of a lorry
_FIELD_OF_VIEW = (10.0, 170.0)  # degrees
# What the ego car's motion between two triggers may differ from that at constant velocity, metres and radians.
_SHIFT_TOLERANCE, _RELATIVE_TOLERANCE = 0.25, 0.25
_TURN_TOLERANCE, _TURN_RATE = 0.03, 1.5


def frame_faults(frame: Mapping, velocity: np.ndarray | None = None) -> Iterator[str]:
    """What is wrong with the matrices of a frame.

    Args:
        frame: of an info file.
        velocity: (3,) of the ego car in the global frame, metres per second; None: unknown.
    """
    lidar2ego = np.asarray(frame['lidar_points']['lidar2ego'], np.float64)
    rigid = {'lidar2ego': lidar2ego, 'ego2global': np.asarray(frame['ego2global'], np.float64)}
    yield from (f'{name}: {fault}' for name, matrix in rigid.items() for fault in rigid_faults(matrix))
    if any(fault for matrix in rigid.values() for fault in rigid_faults(matrix)):
        return
    cam2ego = {name: camera_to_ego(frame, name) for name in frame['images']}
    usable = [pose for pose in cam2ego.values() if not list(rigid_faults(pose))]
    middle = np.mean([pose[:2, 3] for pose in usable], 0) if usable else np.zeros(2)
    for name, camera in frame['images'].items():
        faults = [f'lidar2cam {fault}' for fault in rigid_faults(np.asarray(camera['lidar2cam'], np.float64))]
        faults += intrinsics_faults(camera)
        if not faults:
            faults += mounting_faults(cam2ego[name], middle)
        if not faults and velocity is not None and 'cam2ego' in camera and 'timestamp' in camera:
            faults += motion_faults(frame, name, velocity)
        yield from (f'{name}: {fault}' for fault in faults)


def camera_to_ego(frame: Mapping, name: str) -> np.ndarray:  # (4, 4)
    """The pose of a camera when it fired, in the ego frame at the time of the lidar."""
    lidar2cam = np.asarray(frame['images'][name]['lidar2cam'], np.float64)
    with np.errstate(all='ignore'):
        try:
            return np.asarray(frame['lidar_points']['lidar2ego'], np.float64) @ np.linalg.inv(lidar2cam)
        except (np.linalg.LinAlgError, ValueError):
            return np.full((4, 4), np.nan)


def ego_motion(frame: Mapping, name: str, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (4, 4), (3,)
    """From lidar time to camera time: the ego car's motion by the matrices, and its way at constant velocity."""
    camera = frame['images'][name]
    motion = camera_to_ego(frame, name) @ np.linalg.inv(np.asarray(camera['cam2ego'], np.float64))
    ego2global = np.asarray(frame['ego2global'], np.float64)
    return motion, ego2global[:3, :3].T @ velocity * (camera['timestamp'] - frame['timestamp'])


def rigid_faults(matrix: np.ndarray) -> Iterator[str]:
    """What keeps a matrix from being a rotation and a translation."""
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        yield f'must be a finite 4x4 matrix, got shape {matrix.shape}'
        return
    rotation = matrix[:3, :3]
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > _ROTATION_TOLERANCE:
        yield f'must hold a rotation, but its rows are not orthonormal: {np.round(rotation, 3).tolist()}'
    elif np.linalg.det(rotation) < 0:
        yield 'must hold a rotation, got a reflection (determinant -1)'
    if np.abs(matrix[3] - (0, 0, 0, 1)).max() > _ROTATION_TOLERANCE:
        yield f'must end with the row 0 0 0 1, got {matrix[3].tolist()}'


def intrinsics_faults(camera: Mapping) -> Iterator[str]:
    """What is implausible in a camera matrix."""
    matrix = np.asarray(camera['cam2img'], np.float64)
    if matrix.ndim != 2 or min(matrix.shape) < 3 or not np.isfinite(matrix).all():
        yield f'cam2img must be a finite 3x3 matrix, got shape {matrix.shape}'
        return
    fx, fy, cx, cy = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    if min(fx, fy) <= 0 or not 0.8 < fx / fy < 1.25:
        yield f'focal lengths must be positive and alike (pixels), got {fx:.1f}, {fy:.1f}'
        return
    height, width = camera.get('height'), camera.get('width')
    if not height or not width:
        return
    # Cropping the sky moves the centre up, sometimes out of the image.
    if not (0.2 * width < cx < 0.8 * width and -height < cy < 2 * height):
        yield f'the principal point ({cx:.0f}, {cy:.0f}) is far from the middle of {width} x {height} pixels'
    angle = np.degrees(2 * np.arctan(width / 2 / fx))
    if not _FIELD_OF_VIEW[0] < angle < _FIELD_OF_VIEW[1]:
        yield f'a focal length of {fx:.0f} px at a width of {width} is a field of view of {angle:.0f} degrees'


def mounting_faults(cam2ego: np.ndarray, middle: np.ndarray) -> Iterator[str]:
    """What is odd about a camera's place: it should be over the road, upright, and look away from the car."""
    height = cam2ego[2, 3]
    if not _HEIGHTS[0] < height < _HEIGHTS[1]:
        yield f'the camera is {height:.2f} m above the road, expected {_HEIGHTS[0]} to {_HEIGHTS[1]}'
    if cam2ego[2, 1] > -0.5:
        yield 'the camera is not upright: its y axis should point down'
    if cam2ego[:2, 2] @ (cam2ego[:2, 3] - middle) < 0:
        yield 'the camera looks towards the middle of the car instead of outwards'


def motion_faults(frame: Mapping, name: str, velocity: np.ndarray) -> Iterator[str]:
    """Does the ego motion inside `lidar2cam` fit the car's velocity and the time between the triggers?"""
    motion, expected = ego_motion(frame, name, velocity)
    seconds = frame['images'][name]['timestamp'] - frame['timestamp']
    error = np.linalg.norm(motion[:3, 3] - expected)
    if error > _SHIFT_TOLERANCE + _RELATIVE_TOLERANCE * np.linalg.norm(expected):
        yield (
            f'lidar2cam and cam2ego say that the car moved {np.round(motion[:3, 3], 2).tolist()} m in '
            f'{1000 * seconds:.0f} ms; by its velocity it is {np.round(expected, 2).tolist()} m'
        )
    angle = np.arccos(np.clip((np.trace(motion[:3, :3]) - 1) / 2, -1, 1))
    if angle > _TURN_TOLERANCE + _TURN_RATE * abs(seconds):
        yield f'lidar2cam and cam2ego say that the car turned {angle:.3f} rad in {1000 * seconds:.0f} ms'
