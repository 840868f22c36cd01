"""Labels of a file, with an image augmentation applied, averaged over the blocks of a coarser raster."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from ssl_bev.targets import IGNORE, POSITIVE

# Larger blocks are sampled; up to this size the codes of `block_shares` fit into 16 bits.
MAX_OVERSAMPLING = 8


def oversampling(
    file2image: np.ndarray,  # (3, 3)
    stride: float,
) -> int:
    """The number of file pixels along one side of a block of `stride` image pixels, 1 ... 8.

    Raises:
        ValueError: a matrix that is not affine or not invertible, so that blocks have no common size.
    """
    determinant = np.linalg.det(file2image[:2, :2])
    if not np.allclose(file2image[2], (0, 0, 1), atol=1e-9) or abs(determinant) < 1e-12:
        raise ValueError(f'img_aug must be an invertible affine matrix (3, 3), got {file2image.tolist()}')
    return int(np.clip(round(stride / np.sqrt(abs(determinant))), 1, MAX_OVERSAMPLING))


def warp_labels(
    labels: np.ndarray,  # (H, W) uint8
    file2image: np.ndarray,  # (3, 3)
    step: float,
    size: Sequence[int],
    outside: int,
) -> np.ndarray:  # (h, w) uint8
    """Read the label of the file pixel that contains each position ((j + 0.5) step, (i + 0.5) step).

    Convention: the centre of the top-left pixel is (0.5, 0.5).
    """
    inverse = np.linalg.inv(file2image)[:2]
    linear, origin = inverse[:, :2] * step, inverse[:, 2]
    height, width = size
    if linear[0, 1] == linear[1, 0] == 0:  # resized, cropped, flipped: rows and columns are independent
        rows = _positions(height, linear[1, 1], origin[1])
        columns = _positions(width, linear[0, 0], origin[0])
        return _take(_take(labels, rows, 0, outside), columns, 1, outside)
    # Pixel centres in OpenCV are whole numbers.
    back = np.column_stack([linear, origin + linear.sum(1) / 2 - 0.5])
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    border = {'borderMode': cv2.BORDER_CONSTANT, 'borderValue': outside}
    return cv2.warpAffine(labels, back, (width, height), flags=flags, **border)


def block_means(
    values: np.ndarray,  # (h k, w k)
    k: int,
) -> np.ndarray:  # (h, w) of the same type
    """The mean of each k x k block, rounded."""
    if k == 1:
        return values
    size = (values.shape[1] // k, values.shape[0] // k)
    return cv2.resize(values, size, interpolation=cv2.INTER_AREA)


def block_shares(
    ids: np.ndarray,  # (h k, w k) uint8
    values: np.ndarray,  # (256,) uint8, of each id: 1 = the class, 0 = another, 255 = not known
    k: int,
) -> np.ndarray:  # (h, w) uint8
    """The fraction of a class among the known pixels of each block, in 254ths; 255 if fewer than half are known."""
    area = k * k
    # One mean of 16 bits contains both numbers: of the known pixels, and of the class among them.
    codes = np.where(values == IGNORE, 0, area * (area + 1 + (values == 1))).astype(np.uint16)
    return _share_table(k).take(block_means(cv2.LUT(ids, codes), k))


@lru_cache(maxsize=MAX_OVERSAMPLING)
def _share_table(k: int) -> np.ndarray:  # uint8, at (k k + 1) * number of known pixels + number of the class
    area = k * k
    known, positive = np.divmod(np.arange((area + 1) ** 2), area + 1)
    shares = np.rint(POSITIVE * np.minimum(positive / np.maximum(known, 1), 1))
    return np.where(2 * known < area, IGNORE, shares).astype(np.uint8)


def _positions(count: int, scale: float, origin: float) -> np.ndarray:  # (count,) int64
    return np.floor((np.arange(count) + 0.5) * scale + origin + 1e-9).astype(np.int64)


def _take(labels: np.ndarray, positions: np.ndarray, axis: int, outside: int) -> np.ndarray:
    """Rows or columns of an image, `outside` where there are none."""
    count = labels.shape[axis]
    if np.array_equal(positions, np.arange(count)):
        return labels
    taken = labels.take(positions.clip(0, count - 1), axis)
    beyond = (positions < 0) | (positions >= count)
    if beyond.any():
        taken[beyond if axis == 0 else np.s_[:, beyond]] = outside
    return taken
