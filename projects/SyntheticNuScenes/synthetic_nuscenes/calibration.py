"""Poses, intrinsics and trigger times of the sensors of the nuScenes car, from one real keyframe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

FULL_HEIGHT, FULL_WIDTH = 900, 1600


@dataclass(frozen=True)
class SensorMount:
    """Pose of a sensor in the ego frame.

    Args:
        translation: Metres in the ego frame.
        rotation: Quaternion (w, x, y, z), sensor to ego.
    """

    translation: tuple[float, float, float]
    rotation: tuple[float, float, float, float]

    @property
    def sensor2ego(self) -> np.ndarray:
        """The (4, 4) pose."""
        return rigid(self.rotation, self.translation)


@dataclass(frozen=True)
class CameraModel(SensorMount):
    """A camera of the car at its full 1600 x 900 pixels.

    Args:
        focal: Focal length in pixels.
        centre: Principal point (x, y) in pixels.
        delay_us: Trigger time relative to the lidar's, in microseconds.
    """

    focal: float
    centre: tuple[float, float]
    delay_us: int

    def cam2img(self, height: int, width: int) -> np.ndarray:
        """Return the (3, 3) intrinsics of an image scaled to ``width`` and cropped at the top.

        Convention: the centre of the top-left pixel is (0.5, 0.5), so scaling multiplies focal length and centre by the
            same factor.
        """
        scale = width / FULL_WIDTH
        cut = FULL_HEIGHT * scale - height
        x, y = self.centre
        return np.array([[self.focal * scale, 0, x * scale], [0, self.focal * scale, y * scale - cut], [0, 0, 1.0]])


CAMERAS = {
    'CAM_FRONT': CameraModel(
        (1.700791, 0.015946, 1.510958), (0.499802, -0.503032, 0.49978, -0.497371),
        1266.417203, (816.26702, 491.507066), -35491,
    ),
    'CAM_FRONT_RIGHT': CameraModel(
        (1.550848, -0.493405, 1.495748), (0.206035, -0.202694, 0.682451, -0.671361),
        1260.847445, (807.968245, 495.334427), -27612,
    ),
    'CAM_FRONT_LEFT': CameraModel(
        (1.523878, 0.494631, 1.509328), (0.675727, -0.673627, 0.21214, -0.211228),
        1272.597947, (826.615493, 479.751654), -43107,
    ),
    'CAM_BACK': CameraModel(
        (0.028326, 0.003451, 1.579103), (0.503787, -0.497402, -0.494185, 0.50455),
        809.220991, (829.2196, 481.778424), -10426,
    ),
    'CAM_BACK_LEFT': CameraModel(
        (1.035691, 0.484795, 1.59097), (0.692419, -0.703162, -0.116483, 0.112033),
        1256.741481, (792.112574, 492.775747), -528,
    ),
    'CAM_BACK_RIGHT': CameraModel(
        (1.014878, -0.480568, 1.562395), (0.12281, -0.132401, -0.700431, 0.690496),
        1259.513741, (807.252905, 501.195799), -20058,
    ),
}  # fmt: skip
LIDAR = SensorMount((0.943713, 0.0, 1.84023), (0.707796, -0.006492, 0.010646, -0.706307))
LIDAR_ELEVATIONS = np.radians(np.linspace(-30.6, 10.6, 32))


def check_image_size(height: int, width: int) -> None:
    """Refuse image sizes that are no scaled crop of 900 x 1600.

    Raises:
        ValueError: If a side isn't positive or ``height`` is more than ``900 * width / 1600``.
    """
    most = FULL_HEIGHT * width / FULL_WIDTH
    if height < 1 or width < 1 or height > most:
        raise ValueError(
            f'image size {height} x {width} (height x width) must be positive, and for this width at most '
            f'{int(most)} high: images are scaled to the width and cut at the top'
        )


def rigid(quaternion: tuple[float, ...], translation: tuple[float, ...] | np.ndarray) -> np.ndarray:
    """Return the (4, 4) transform of a quaternion (w, x, y, z) and a translation."""
    w, x, y, z = quaternion
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_quat([x, y, z, w]).as_matrix()
    transform[:3, 3] = translation
    return transform


def planar_pose(x: float, y: float, yaw: float) -> np.ndarray:
    """Return the (4, 4) pose of something at (x, y, 0) with a heading in radians."""
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    pose[:2, 3] = x, y
    return pose
