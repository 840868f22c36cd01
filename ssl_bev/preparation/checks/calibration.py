"""Check that the calibration of a frame is plausible for cameras on a car."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ssl_bev.datasets.calibration import check_undistorted, lidar2ego

_ROTATION_TOLERANCE = 1e-3
_HEIGHTS = (0.3, 4.0)  # metres above the road: low bumper to roof of a lorry
_SKY = 0.7  # upward part of the optical axis: 45 degrees
_INWARDS = 0.3  # metres
_FIELD_OF_VIEW = (6.0, 170.0)  # degrees, of the longest and the widest lens on a car
# Allowed difference of the ego motion between two triggers from constant velocity, metres and radians.
_SHIFT_TOLERANCE, _RELATIVE_TOLERANCE = 0.25, 0.25
_TURN_TOLERANCE, _TURN_RATE = 0.03, 1.5


def frame_faults(frame: Mapping, velocity: np.ndarray | None = None) -> Iterator[str]:
    """Faults of the matrices of a frame.

    Args:
        frame: of an info file.
        velocity: (3,) of the ego car in the global frame, metres per second; None: unknown.
    """
    try:
        lidar = lidar2ego(frame)
    except ValueError as error:
        yield str(error)
        return
    rigid = {'lidar2ego': lidar, 'ego2global': np.asarray(frame['ego2global'], np.float64)}
    yield from (f'{name}: {fault}' for name, matrix in rigid.items() for fault in rigid_faults(matrix))
    if any(fault for matrix in rigid.values() for fault in rigid_faults(matrix)):
        return
    cam2ego = usable_poses(frame)
    yield from rig_faults(cam2ego)
    for name, camera in frame['images'].items():
        faults = [f'lidar2cam {fault}' for fault in rigid_faults(np.asarray(camera['lidar2cam'], np.float64))]
        faults += intrinsics_faults(camera)
        if not faults:
            faults += mounting_faults(cam2ego[name])
        if not faults and velocity is not None and 'cam2ego' in camera and 'timestamp' in camera:
            faults += motion_faults(frame, name, velocity)
        yield from (f'{name}: {fault}' for fault in faults)


def frame_oddities(frame: Mapping) -> list[tuple[str, str]]:
    """Cameras of a frame, with unusual properties that may be correct."""
    optics = [(name, oddity) for name, camera in frame['images'].items() for oddity in intrinsics_oddities(camera)]
    return [*mounting_oddities(usable_poses(frame)), *optics]


def usable_poses(frame: Mapping) -> dict[str, np.ndarray]:
    """The poses of the cameras of a frame as `camera_to_ego`, without invalid ones."""
    poses = {name: camera_to_ego(frame, name) for name in frame['images']}
    return {name: pose for name, pose in poses.items() if not list(rigid_faults(pose))}


def camera_to_ego(frame: Mapping, name: str) -> np.ndarray:  # (4, 4)
    """The pose of a camera at its trigger time, in the ego frame at the time of the lidar."""
    lidar2cam = np.asarray(frame['images'][name]['lidar2cam'], np.float64)
    with np.errstate(all='ignore'):
        try:
            return lidar2ego(frame) @ np.linalg.inv(lidar2cam)
        except (np.linalg.LinAlgError, ValueError):
            return np.full((4, 4), np.nan)


def ego_motion(frame: Mapping, name: str, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (4, 4), (3,)
    """From lidar time to camera time: the ego motion from the matrices, and the distance at constant velocity."""
    camera = frame['images'][name]
    motion = camera_to_ego(frame, name) @ np.linalg.inv(np.asarray(camera['cam2ego'], np.float64))
    ego2global = np.asarray(frame['ego2global'], np.float64)
    return motion, ego2global[:3, :3].T @ velocity * (camera['timestamp'] - frame['timestamp'])


def rigid_faults(matrix: np.ndarray) -> Iterator[str]:
    """The reason why a matrix is no rotation with a translation."""
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
    """Implausible values of a camera matrix, and a lens that distorts."""
    try:
        check_undistorted(camera, 'lens')
    except ValueError as error:
        yield str(error)
    matrix = np.asarray(camera['cam2img'], np.float64)
    if matrix.ndim != 2 or min(matrix.shape) < 3 or not np.isfinite(matrix).all():
        yield f'cam2img must be a finite 3x3 matrix, got shape {matrix.shape}'
        return
    fx, fy, cx, cy = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    if min(fx, fy) <= 0 or not 0.25 < fx / fy < 4:
        yield f'focal lengths must be positive and alike (pixels), got {fx:.1f}, {fy:.1f}'
        return
    height, width = camera.get('height'), camera.get('width')
    if not height or not width:
        return
    # Cropping moves the centre, sometimes out of the image.
    if not (-0.5 * width < cx < 1.5 * width and -height < cy < 2 * height):
        yield f'the principal point ({cx:.0f}, {cy:.0f}) is far from the middle of {width} x {height} pixels'
    angle = np.degrees(2 * np.arctan(width / 2 / fx))
    if not _FIELD_OF_VIEW[0] < angle < _FIELD_OF_VIEW[1]:
        yield f'a focal length of {fx:.0f} px at a width of {width} is a field of view of {angle:.0f} degrees'


def intrinsics_oddities(camera: Mapping) -> Iterator[str]:
    """Unusual properties of a camera matrix that may be correct."""
    matrix = np.asarray(camera['cam2img'], np.float64)
    if matrix.ndim != 2 or min(matrix.shape) < 3 or list(intrinsics_faults(camera)):
        return
    ratio, cx, width = matrix[0, 0] / matrix[1, 1], matrix[0, 2], camera.get('width')
    if not 0.8 < ratio < 1.25:
        yield f'pixels are {ratio:.2f} times as wide as high, right if the image was resized so'
    if width and not 0.2 * width < cx < 0.8 * width:
        yield f'the principal point is at {cx:.0f} of {width} columns, right if the image was cropped so'


def mounting_faults(cam2ego: np.ndarray) -> Iterator[str]:
    """Impossible positions and directions of a camera."""
    if cam2ego[2, 3] <= 0:
        yield f'the camera is {cam2ego[2, 3]:.2f} m above the road, expected {_HEIGHTS[0]} to {_HEIGHTS[1]}'
    if cam2ego[2, 2] > _SKY:
        yield 'the camera looks into the sky: its z axis, which is where it looks to, should not point up'


def mounting_oddities(cam2ego: Mapping[str, np.ndarray]) -> Iterator[tuple[str, str]]:
    """Unusual properties of a rig that may be correct: cameras and their properties.

    Args:
        cam2ego: pose of each camera of a frame, (4, 4).
    """
    middle = np.mean([pose[:2, 3] for pose in cam2ego.values()], 0) if cam2ego else np.zeros(2)
    for name, pose in cam2ego.items():
        if not _HEIGHTS[0] < pose[2, 3] < _HEIGHTS[1]:
            yield name, f'the camera is {pose[2, 3]:.2f} m above the road, expected {_HEIGHTS[0]} to {_HEIGHTS[1]}'
        if pose[2, 1] > -0.5:
            yield name, 'the camera is not upright: its y axis points up or sideways, right if it is mounted so'
        if looks_inwards(pose, middle):
            yield name, 'the camera looks towards the middle of the cameras, right if another one stands before it'


def rig_faults(cam2ego: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Impossible combinations of the cameras of a frame; two may stand on the pillars and look across the bonnet."""
    middle = np.mean([pose[:2, 3] for pose in cam2ego.values()], 0) if cam2ego else np.zeros(2)
    if len(cam2ego) > 2 and all(looks_inwards(pose, middle) for pose in cam2ego.values()):
        yield 'all cameras look towards the middle of the car instead of outwards; lidar2cam may be inverted'


def looks_inwards(cam2ego: np.ndarray, middle: np.ndarray) -> bool:
    """True if a camera is behind others that it sees; those of a stereo pair are side by side and are not."""
    return bool(cam2ego[:2, 2] @ (cam2ego[:2, 3] - middle) < -_INWARDS)


def motion_faults(frame: Mapping, name: str, velocity: np.ndarray) -> Iterator[str]:
    """Check that the ego motion in `lidar2cam` fits the velocity of the car and the time between the triggers."""
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
