"""Values of table records: poses and cameras. An invalid value is an error that names its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ssl_bev.datasets.calibration import DISTORTION_FIELDS

NORM_TOLERANCE = 0.01  # of the length of a quaternion
UPRIGHT = 0.8  # cosine of 37 degrees, steeper than any road


def pose_matrix(record: Mapping, where: str = 'record') -> np.ndarray:  # (4, 4) float64
    """The matrix of the translation and rotation (a quaternion, w first) of a record.

    Args:
        record: with the two fields, and a token for errors.
        where: table and other identification of the record.

    Raises:
        ValueError: a field that is missing, null, not finite or of another shape, or a quaternion of another length
            than 1.
    """
    translation = numbers(record, 'translation', (3,), 'three finite numbers, metres', where)
    rotation = numbers(record, 'rotation', (4,), 'a quaternion of four finite numbers, w first', where)
    if abs(np.linalg.norm(rotation) - 1) > NORM_TOLERANCE:
        raise ValueError(f'{_name(record, where)}: rotation must be a quaternion of length 1, got {rotation.tolist()}')
    return rigid_matrix(translation, rotation)


def rigid_matrix(translation: Sequence[float], rotation: Sequence[float]) -> np.ndarray:  # (4, 4) float64
    """The matrix of a translation, (3,), and a quaternion w, x, y, z of about length 1."""
    w, x, y, z = np.asarray(rotation) / np.linalg.norm(rotation)
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = translation
    return matrix


def ego_pose_matrix(record: Mapping, where: str = 'table ego_pose') -> np.ndarray:  # (4, 4) float64
    """The matrix of an ego pose, whose z axis points up.

    Raises:
        ValueError: as `pose_matrix`; or a car on its side or roof, which happens if x, y, z, w is read as w, x, y, z.
    """
    matrix = pose_matrix(record, where)
    if matrix[2, 2] < UPRIGHT:
        raise ValueError(
            f'{_name(record, where)}: rotation {record["rotation"]} puts the car on its side or its roof; the order is '
            'w, x, y, z, and z of ego and global frame point up'
        )
    return matrix


def camera_matrix(record: Mapping, where: str = 'table calibrated_sensor') -> list:  # (3, 3)
    """The intrinsics of a camera.

    Raises:
        ValueError: no finite 3x3 matrix with positive focal lengths.
    """
    matrix = numbers(record, 'camera_intrinsic', (3, 3), 'a finite 3x3 matrix', where)
    if min(matrix[0, 0], matrix[1, 1]) <= 0:
        raise ValueError(
            f'{_name(record, where)}: focal lengths of camera_intrinsic must be positive (pixels), got '
            f'{matrix[0, 0]:g}, {matrix[1, 1]:g}'
        )
    return matrix.tolist()


def camera_distortion(record: Mapping, where: str = 'table calibrated_sensor') -> list[float]:
    """The coefficients of a pinhole lens, in the order of OpenCV; none if it does not distort.

    Raises:
        ValueError: coefficients that are no numbers, or whose number may belong to another model: four may also be a
            fisheye, and the sixth of nuImages is for its fisheye lenses.
    """
    field = next((field for field in DISTORTION_FIELDS if record.get(field) is not None), None)
    if field is None:
        return []
    try:
        values = np.atleast_1d(np.asarray(record[field], np.float64))
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if np.isfinite(values).all():
        if not values.any():
            return []
        if values.shape == (6,) and values[5] == 0:
            values = values[:5]
        if values.shape in ((5,), (8,), (12,), (14,)):
            return values.tolist()
    raise ValueError(
        f'{_name(record, where)}: {field} must be 5, 8, 12 or 14 finite numbers k1 k2 p1 p2 k3 ... of a pinhole lens, '
        f'as OpenCV has them, got {record[field]}; for a pinhole lens of four append k3 = 0; a fisheye lens can be '
        'described in a drives file (docs/own_data.md), or its images undistorted (cv2.fisheye.undistortImage)'
    )


def numbers(record: Mapping, field: str, shape: tuple[int, ...], rule: str, where: str) -> np.ndarray:
    """A field of finite numbers, float64 of this shape; errors name the rule and where the record is.

    Raises:
        ValueError: it is missing or invalid.
    """
    if field not in record:
        raise ValueError(f'{_name(record, where)} lacks {field}, which must be {rule}')
    value = record[field]
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if array.shape == shape and np.isfinite(array).all():
        return array
    remedy = ''
    if field == 'rotation' and array.shape == (3, 3):
        remedy = '; convert the matrix, such as with pyquaternion.Quaternion(matrix=...).elements'
    elif field in ('translation', 'rotation'):
        remedy = '; correct it, or leave the scene out with --exclude-scenes'
    raise ValueError(f'{_name(record, where)}: {field} must be {rule}, got {value}{remedy}')


def _name(record: Mapping, where: str) -> str:
    return f'{where}, token {record.get("token")!r}'
