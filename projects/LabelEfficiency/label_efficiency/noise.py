"""A teacher made worse on purpose: label noise as weaker teachers show it, to study how much a method tolerates.

Errors come in patches, not pixel by pixel, and the confidence gives half of them away. They are drawn for each image
alone: votes of many frames average them out better than the errors of a real teacher, which repeat from frame to frame.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.special import ndtr, ndtri

from ssl_bev.pseudo_labels import LabelMap

# Correlation lengths, fractions of the image width: of displaced edges, of patches, of invented lines.
_EDGE_SCALE, _PATCH_SCALE, _LINE_SCALE = 0.03, 0.06, 0.1


@dataclass(frozen=True)
class NoiseLevel:
    """How much of each kind of error.

    Args:
        jitter: standard deviation of the displacement of edges, fraction of the image width.
        dropped: share of paint that becomes road.
        invented: share of the road in whose patches lines of paint appear.
        confused: share of paint and crossings that becomes another kind of them.
        swapped: share of the road that becomes sidewalk, and of the sidewalk that becomes road.
    """

    jitter: float
    dropped: float
    invented: float
    confused: float
    swapped: float


LEVELS = {
    'L1': NoiseLevel(jitter=0.001, dropped=0.1, invented=0.05, confused=0.1, swapped=0.02),
    'L2': NoiseLevel(jitter=0.002, dropped=0.25, invented=0.15, confused=0.2, swapped=0.05),
}


class LabelNoise:
    """Degrades labels, the same way each time for the same image and seed.

    Args:
        class_names: the teacher's, in the order of their ids.
        label_map: says which of them are road, paint, crossing and off the road.
        level: how much noise.
        seed: chooses the errors.

    Raises:
        ValueError: a teacher without road, paint or ground off the road; it may do without crossings.
    """

    def __init__(self, class_names: Sequence[str], label_map: LabelMap, level: NoiseLevel, seed: int = 0) -> None:
        drivable, marking = label_map.table(class_names, ['drivable', 'marking']).T
        painted = marking == 1
        if not label_map.lacking(class_names, ['crosswalk']):
            painted |= label_map.table(class_names, ['crosswalk'])[:, 0] == 1
        self.kinds = {
            'road': np.flatnonzero((drivable == 1) & ~painted),
            'off_road': np.flatnonzero(drivable == 0),
            'paint': np.flatnonzero(marking == 1),
            'painted': np.flatnonzero(painted),
        }
        self.level, self.seed = level, seed

    def __call__(
        self,
        ids: np.ndarray,  # (H, W) uint8
        confidence: np.ndarray,  # (H, W) uint8
        name: str,
    ) -> tuple[np.ndarray, np.ndarray]:  # (H, W) uint8, (H, W) uint8
        """Labels and confidence of one image, degraded; `name` is the image's, and with the seed chooses its errors."""
        digest = hashlib.sha256(f'{self.seed}/{name}'.encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], 'big'))
        level, width = self.level, ids.shape[1]

        def patches(share: float) -> np.ndarray:  # (H, W) bool
            return smooth_field(rng, ids.shape, _PATCH_SCALE * width) > -ndtri(share)

        noisy = ids.copy()
        is_road, is_off, is_paint = (np.isin(ids, self.kinds[kind]) for kind in ('road', 'off_road', 'paint'))
        road, off_road = self._usual(ids, 'road'), self._usual(ids, 'off_road')
        for where, kind in self._confusions(rng, ids, patches(level.confused)):
            noisy[where] = kind
        noisy[is_paint & patches(level.dropped)] = road
        swapped = patches(level.swapped)
        noisy[is_road & swapped], noisy[is_off & swapped] = off_road, road
        # Level lines of a smooth field are long, thin and bent, as cracks, kerb shadows and tar seams are.
        field = smooth_field(rng, ids.shape, _LINE_SCALE * width)
        slope = np.hypot(*np.gradient(field))
        lines = np.abs(field) < 0.003 * width * slope
        noisy[is_road & lines & patches(level.invented)] = rng.choice(self.kinds['paint'])

        noisy, confidence = self._jitter(rng, noisy, confidence)
        doubt = ndtr(smooth_field(rng, ids.shape, _PATCH_SCALE * width))
        wrong = noisy != ids
        trust = np.where(wrong, 0.95 - 0.55 * doubt, 1 - level.dropped * doubt)
        return noisy, np.rint(confidence * trust).astype(np.uint8)

    def _usual(self, ids: np.ndarray, kind: str) -> int:
        """The most frequent class of a kind in this image."""
        counts = np.bincount(ids.ravel(), minlength=256)[self.kinds[kind]]
        return int(self.kinds[kind][counts.argmax()])

    def _confusions(self, rng: np.random.Generator, ids: np.ndarray, patch: np.ndarray) -> list[tuple[np.ndarray, int]]:
        """For each kind of paint in the image, where it is mistaken, and for what."""
        found = np.intersect1d(ids, self.kinds['painted'])
        others = [self.kinds['painted'][self.kinds['painted'] != kind] for kind in found]
        return [
            (patch & (ids == kind), int(rng.choice(other)))
            for kind, other in zip(found, others, strict=True)
            if len(other)
        ]

    def _jitter(
        self, rng: np.random.Generator, ids: np.ndarray, confidence: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        height, width = ids.shape
        v, u = np.mgrid[:height, :width].astype(np.float32)
        for axis in (u, v):
            axis += self.level.jitter * width * smooth_field(rng, ids.shape, _EDGE_SCALE * width)
        return tuple(cv2.remap(x, u, v, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE) for x in (ids, confidence))


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> np.ndarray:  # (H, W) float32
    """Gaussian noise of mean 0 and variance 1 at each pixel that varies over about `scale` pixels."""
    nodes = [int(np.ceil(size / scale)) + 3 for size in shape]
    # Cubic B-spline weights sum to 1; the sum of their squares is the variance that they leave.
    weights = [_spline_weights(rng.uniform(), size, count, scale) for size, count in zip(shape, nodes, strict=True)]
    left, right = (w / np.sqrt((w**2).sum(1, keepdims=True)) for w in weights)
    return (left @ rng.standard_normal(nodes) @ right.T).astype(np.float32)


def _spline_weights(start: float, size: int, count: int, scale: float) -> np.ndarray:  # (size, count)
    position = np.arange(size)[:, None] / scale + 1 + start * 0.999
    distance = np.abs(position - np.arange(count))
    near, far = 2 / 3 - distance**2 + distance**3 / 2, np.maximum(2 - distance, 0) ** 3 / 6
    return np.where(distance < 1, near, far)
