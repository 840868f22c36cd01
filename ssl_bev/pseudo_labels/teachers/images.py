"""Images before a network: checks, size, groups."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Scale = float | tuple[int, int] | None


def check_images(images: Sequence[np.ndarray]) -> None:
    """Raise ValueError unless all images are (H, W, 3) uint8."""
    for index, image in enumerate(images):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f'images[{index}] must be (height, width, 3) uint8, got {image.shape} {image.dtype}')


def check_scale(scale: Scale) -> Scale:
    """A valid scale.

    Raises:
        ValueError: neither a positive factor nor two positive bounds.
    """
    if scale is None:
        return None
    if isinstance(scale, int | float) and not isinstance(scale, bool) and 0 < scale < float('inf'):
        return float(scale)
    if isinstance(scale, tuple | list) and len(scale) == 2 and all(isinstance(s, int) and s > 0 for s in scale):
        return scale[0], scale[1]
    raise ValueError(f'scale must be a positive factor, (width, height) in pixels or None, got {scale!r}')


def scaled_size(size: tuple[int, int], scale: Scale) -> tuple[int, int]:
    """The (height, width) of the network input for an image of (height, width); the aspect ratio is kept."""
    if scale is None:
        return size
    factor = scale if isinstance(scale, float) else min(scale[0] / size[1], scale[1] / size[0])
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:  # (H, W, 3) -> (*size, 3)
    """Resize an image. Reduction averages, so that thin lines fade but do not break up."""
    smaller = (min(size[0], image.shape[0]), min(size[1], image.shape[1]))
    for step, how in ((smaller, cv2.INTER_AREA), (size, cv2.INTER_LINEAR)):
        if image.shape[:2] != step:
            image = cv2.resize(image, step[::-1], interpolation=how)
    return image


def group_by_size(images: Sequence[np.ndarray]) -> dict[tuple[int, int], list[int]]:
    """Indices of the images of each (height, width)."""
    groups: dict[tuple[int, int], list[int]] = {}
    for index, image in enumerate(images):
        groups.setdefault((image.shape[0], image.shape[1]), []).append(index)
    return groups
