"""Slow, readable twins of what the teachers compute."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Pixel = Callable[[np.ndarray], tuple[int, float]]


def interpolate(
    maps: np.ndarray,  # (C, h, w)
    y: float,
    x: float,
) -> np.ndarray:  # (C,)
    """Bilinear value at (y, x) in cells, the centre of the first one at 0; beyond the last centre it stays."""
    y, x = (min(max(p, 0.0), n - 1.0) for p, n in zip((y, x), maps.shape[1:], strict=True))
    top, left = int(y), int(x)
    below, right = min(top + 1, maps.shape[1] - 1), min(left + 1, maps.shape[2] - 1)
    fy, fx = y - top, x - left
    upper = maps[:, top, left] * (1 - fx) + maps[:, top, right] * fx
    lower = maps[:, below, left] * (1 - fx) + maps[:, below, right] * fx
    return upper * (1 - fy) + lower * fy


def label_pixels(
    maps: np.ndarray,  # (C, h, w)
    cell: tuple[float, float],  # (height, width) of a cell in image pixels
    size: tuple[int, int],
    decide: Pixel,
) -> tuple[np.ndarray, np.ndarray]:  # (H, W) ids, (H, W) probability
    ids, probability = np.zeros(size, int), np.zeros(size)
    for row in range(size[0]):
        for column in range(size[1]):
            values = interpolate(maps, (row + 0.5) / cell[0] - 0.5, (column + 0.5) / cell[1] - 0.5)
            ids[row, column], probability[row, column] = decide(values)
    return ids, probability


def decide_by_queries(class_logits: np.ndarray) -> Pixel:  # (Q, K + 1)
    """Sum over queries of softmax(class) * sigmoid(mask); the best class's share of the sum over classes."""

    def decide(masks: np.ndarray) -> tuple[int, float]:
        scores = [0.0] * (class_logits.shape[1] - 1)
        for logits, mask in zip(class_logits.tolist(), masks.tolist(), strict=True):
            exponentials = [math.exp(logit) for logit in logits]
            for k in range(len(scores)):
                scores[k] += exponentials[k] / sum(exponentials) / (1 + math.exp(-mask))
        return scores.index(max(scores)), max(scores) / sum(scores)

    return decide


def decide_by_softmax(logits: np.ndarray) -> tuple[int, float]:
    exponentials = [math.exp(logit) for logit in logits.tolist()]
    return exponentials.index(max(exponentials)), max(exponentials) / sum(exponentials)


def assert_labels(
    found: tuple[np.ndarray, np.ndarray],  # uint8 ids and confidence
    expected: tuple[np.ndarray, np.ndarray],  # ids and probability
) -> None:
    """Equal but for rounding, and not all of one class."""
    assert found[0].dtype == found[1].dtype == np.uint8
    assert len(np.unique(expected[0])) > 1
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1] * 255, atol=0.51)
