"""Lenses that distort: from the image of a camera to that of an ideal pinhole camera.

Convention: the centre of the first pixel is (0.5, 0.5), see docs/conventions.md; in OpenCV it is (0, 0).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

# Numbers of coefficients, in OpenCV's order: k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4 [tx ty]]]], and k1 k2 k3 k4.
MODELS = {'pinhole': (4, 5, 8, 12, 14), 'fisheye': (4,)}
_LEAST_SEEN = 0.5
_NOWHERE = -1e4
_STEPS = 4096
Matrix = tuple[tuple[float, ...], ...]


class Lens(NamedTuple):
    """A lens, the camera matrix behind it, and that of the undistorted image.

    Attributes:
        model: 'pinhole' (Brown's, `cv2.undistort`) or 'fisheye' (Kannala and Brandt's, `cv2.fisheye`).
        coefficients: in OpenCV's order.
        cam2img: (3, 3) of the image file.
        size: height and width of the image file.
        new_cam2img: (3, 3) of the undistorted image.
        new_size: its height and width.
    """

    model: str
    coefficients: tuple[float, ...]
    cam2img: Matrix
    size: tuple[int, int]
    new_cam2img: Matrix
    new_size: tuple[int, int]

    @classmethod
    def of(cls, camera: Mapping) -> Lens | None:
        """The lens of a camera of an info file; None: its images are not distorted.

        Raises:
            ValueError: an invalid lens.
        """
        lens = camera.get('lens')
        if lens is None:
            return None
        try:
            coefficients = tuple(map(float, lens['coefficients']))
            sizes = [(whole['height'], whole['width']) for whole in (lens, camera)]
            fine = len(coefficients) in MODELS[lens['model']] and np.isfinite(coefficients).all()
            if fine and all(isinstance(edge, int) and edge > 0 for size in sizes for edge in size):
                matrices = [_rows(whole['cam2img']) for whole in (lens, camera)]
                return cls(lens['model'], coefficients, matrices[0], sizes[0], matrices[1], sizes[1])
        except (KeyError, TypeError, ValueError, IndexError):
            pass
        raise ValueError(
            f'lens must have a model of {list(MODELS)}, its coefficients, cam2img, height and width, and the camera '
            f'the last three too, got {lens}'
        )

    def undistort(self, picture: np.ndarray) -> np.ndarray:  # (h, w, 3) -> (H, W, 3) uint8
        """The undistorted image, black where the file has no content.

        Raises:
            ValueError: an image of another size.
        """
        return self._remap(picture, cv2.INTER_LINEAR, 0)

    def undistort_labels(self, values: np.ndarray, outside: int) -> np.ndarray:  # (h, w) -> (H, W) uint8
        """Labels of the image file in the undistorted image, by the nearest pixel; `outside` where there is none.

        Raises:
            ValueError: labels of another size.
        """
        return self._remap(values, cv2.INTER_NEAREST, outside)

    def check(self) -> None:
        """Check that the file covers enough of the undistorted image for plausible coefficients.

        Raises:
            ValueError: less than half.
        """
        share = self.seen().mean()
        if share < _LEAST_SEEN:
            raise ValueError(
                f'a {self.model} lens with the coefficients {list(self.coefficients)} shows {share:.0%} of the '
                f'undistorted image, less than {_LEAST_SEEN:.0%}; are they of this model, and in the order of OpenCV?'
            )

    def seen(self) -> np.ndarray:  # (H, W) bool
        """True where the file covers the undistorted image."""
        u, v = _sources(self)
        height, width = self.size
        return (u > -0.5) & (u < width - 0.5) & (v > -0.5) & (v < height - 0.5)

    def _remap(self, values: np.ndarray, interpolation: int, outside: int) -> np.ndarray:
        if values.shape[:2] != self.size:
            raise ValueError(
                f'a picture of this lens must be {self.size} (height, width), got {tuple(values.shape[:2])}'
            )
        border = (outside,) * 3
        return cv2.remap(values, *_sources(self), interpolation, borderMode=cv2.BORDER_CONSTANT, borderValue=border)


def file_size(camera: Mapping) -> tuple[int, int] | None:
    """Height and width of the image file of a camera in an info file; None: unknown."""
    known = camera.get('lens') or camera
    return (known['height'], known['width']) if known.get('height') and known.get('width') else None


@lru_cache(maxsize=32)  # some megabytes each; a rig has few cameras
def _sources(lens: Lens) -> tuple[np.ndarray, np.ndarray]:  # (H, W) float32, (H, W) float32
    """The position of each pixel of the undistorted image in the image file, in OpenCV pixels."""
    old, new = (_opencv(matrix) for matrix in (lens.cam2img, lens.new_cam2img))
    coefficients = np.array(lens.coefficients)
    size = lens.new_size[::-1]
    if lens.model == 'fisheye':
        u, v = cv2.fisheye.initUndistortRectifyMap(old, coefficients, np.eye(3), new, size, cv2.CV_32FC1)
    else:
        u, v = cv2.initUndistortRectifyMap(old, coefficients, None, new, size, cv2.CV_32FC1)
    x = (np.arange(size[0]) - new[0, 2]) / new[0, 0]
    y = (np.arange(size[1]) - new[1, 2]) / new[1, 1]
    radius = np.hypot(x, y[:, None])
    # Outside of its valid range the polynomial decreases and would show the inside a second time.
    beyond = radius > _reach(lens, radius.max())
    u[beyond] = v[beyond] = _NOWHERE
    return u, v


def _reach(lens: Lens, largest: float) -> float:
    """The radius, at depth 1, up to which the distorted radius increases."""
    radius = np.linspace(0, largest, _STEPS)
    if lens.model == 'fisheye':
        angle = np.arctan(radius)
        found = angle * np.polynomial.Polynomial([1, *lens.coefficients])(angle**2)
    else:
        k1, k2, _, _, k3, k4, k5, k6 = (*lens.coefficients, *[0.0] * 4)[:8]
        square = radius**2
        above, below = (np.polynomial.Polynomial([1, *k])(square) for k in ((k1, k2, k3), (k4, k5, k6)))
        found = radius * above / np.where(below > 0, below, np.nan)
    grows = np.diff(found) > 0
    return np.inf if grows.all() else radius[int(np.argmin(grows))]


def _opencv(matrix: Matrix) -> np.ndarray:  # (3, 3)
    matrix = np.array(matrix, np.float64)
    matrix[:2, 2] -= 0.5
    return matrix


def _rows(matrix: object) -> Matrix:
    return tuple(map(tuple, np.asarray(matrix, np.float64)[:3, :3].tolist()))
