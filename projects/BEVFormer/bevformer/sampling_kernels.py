"""The loops of deformable attention's sampling, compiled for one number of channels a head.

That number is a constant, so that the innermost loops become a few vector instructions; not in the gradients of wide
heads, which are a third slower so. Arrays are flat, and indices unsigned: numba would ask of a signed one whether it
counts from the end.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numba
import numpy as np

# No 'nnan', no 'ninf': a diverged network's NaN must fail the bounds checks, not skip them.
_OPTIONS = dict(nogil=True, fastmath={'contract', 'reassoc', 'nsz', 'arcp'}, cache=True)
_index = np.uint64
_TWO = np.uint64(2)


@numba.njit(**_OPTIONS)
def _neighbours(x, size):  # pragma: no cover - compiled
    """The two positions around x, and the share of each; where one lies outside, an inner one with share 0."""
    low = math.floor(x)
    high = low + 1
    high_share = x - low
    low_share = 1 - high_share
    if low < 0:
        low, low_share = 0, 0.0
    if high >= size:
        high, high_share = size - 1, 0.0
    return low, high, low_share, high_share


@functools.cache
def sampling_kernels(depth: int) -> tuple[Callable, Callable]:
    """The sum of weighted samples, and its gradients, for heads of `depth` channels.

    Both take flat arrays of value (G, S, M, D), locations (R, M, L, P, 2), weights (R, M, L, P) and group (R,); of the
    output or its gradient (R, M, D); the gradients of the first three, that of value filled with zeros; shapes (L, 2),
    S, M and P; and the part of the work: rows of the sum, heads of the gradients, from the first to before the last.
    """
    width_of_head = _index(depth)
    is_narrow = depth <= 8

    @numba.njit(**_OPTIONS)
    def sample(  # pragma: no cover - compiled
        value, locations, weights, group, output, shapes, positions, heads, points, first_row, last_row
    ):
        share = np.empty(4, value.dtype)  # keeps the inner loop in the precision of the features
        stride = _index(heads) * width_of_head
        for row in range(first_row, last_row):
            source = _index(group[row]) * _index(positions)
            for head in range(heads):
                out = _index(row * heads + head) * width_of_head
                for k in range(depth):
                    output[out + _index(k)] = 0
                following = _index((row * heads + head) * len(shapes) * points)
                level_start = 0
                for level in range(len(shapes)):
                    height, width = shapes[level, 0], shapes[level, 1]
                    for _ in range(points):
                        n = following
                        following += _index(1)
                        x = locations[_TWO * n] * width - 0.5
                        y = locations[_TWO * n + _index(1)] * height - 0.5
                        if not (x > -1 and y > -1 and x < width and y < height):
                            continue
                        left, right, left_share, right_share = _neighbours(x, width)
                        top, bottom, top_share, bottom_share = _neighbours(y, height)
                        share[0] = left_share * top_share * weights[n]
                        share[1] = right_share * top_share * weights[n]
                        share[2] = left_share * bottom_share * weights[n]
                        share[3] = right_share * bottom_share * weights[n]
                        s0, s1, s2, s3 = share[0], share[1], share[2], share[3]
                        start = source + _index(level_start)
                        offset = _index(head) * width_of_head
                        v0 = (start + _index(top * width + left)) * stride + offset
                        v1 = (start + _index(top * width + right)) * stride + offset
                        v2 = (start + _index(bottom * width + left)) * stride + offset
                        v3 = (start + _index(bottom * width + right)) * stride + offset
                        for k in range(depth):
                            c = _index(k)
                            output[out + c] += (s0 * value[v0 + c] + s1 * value[v1 + c]) + (
                                s2 * value[v2 + c] + s3 * value[v3 + c]
                            )
                    level_start += height * width

    @numba.njit(**_OPTIONS)
    def sample_backward(  # pragma: no cover - compiled
        value,
        locations,
        weights,
        group,
        grad_output,
        grad_value,
        grad_locations,
        grad_weights,
        shapes,
        positions,
        heads,
        points,
        first_head,
        last_head,
    ):
        share = np.empty(4, value.dtype)
        zero = np.zeros(1, value.dtype)
        channels = depth if is_narrow else len(grad_output) // max(len(group) * heads, 1)
        stride = _index(heads) * width_of_head
        for row in range(len(group)):
            source = _index(group[row]) * _index(positions)
            for head in range(first_head, last_head):
                out = _index(row * heads + head) * width_of_head
                following = _index((row * heads + head) * len(shapes) * points)
                level_start = 0
                for level in range(len(shapes)):
                    height, width = shapes[level, 0], shapes[level, 1]
                    for _ in range(points):
                        n = following
                        following += _index(1)
                        grad_weights[n] = 0
                        grad_locations[_TWO * n] = 0
                        grad_locations[_TWO * n + _index(1)] = 0
                        x = locations[_TWO * n] * width - 0.5
                        y = locations[_TWO * n + _index(1)] * height - 0.5
                        if not (x > -1 and y > -1 and x < width and y < height):
                            continue
                        left, right, left_share, right_share = _neighbours(x, width)
                        top, bottom, top_share, bottom_share = _neighbours(y, height)
                        weight = weights[n]
                        share[0] = left_share * top_share * weight
                        share[1] = right_share * top_share * weight
                        share[2] = left_share * bottom_share * weight
                        share[3] = right_share * bottom_share * weight
                        s0, s1, s2, s3 = share[0], share[1], share[2], share[3]
                        start = source + _index(level_start)
                        offset = _index(head) * width_of_head
                        v0 = (start + _index(top * width + left)) * stride + offset
                        v1 = (start + _index(top * width + right)) * stride + offset
                        v2 = (start + _index(bottom * width + left)) * stride + offset
                        v3 = (start + _index(bottom * width + right)) * stride + offset
                        # Each corner's value times the gradient; outside there is zero.
                        p0, p1, p2, p3 = zero[0], zero[0], zero[0], zero[0]
                        for k in range(channels):
                            c = _index(k)
                            gradient = grad_output[out + c]
                            p0 += value[v0 + c] * gradient
                            p1 += value[v1 + c] * gradient
                            p2 += value[v2 + c] * gradient
                            p3 += value[v3 + c] * gradient
                        # One corner after the other, for where one lies outside two have the same place.
                        for k in range(channels):
                            grad_value[v0 + _index(k)] += s0 * grad_output[out + _index(k)]
                        for k in range(channels):
                            grad_value[v1 + _index(k)] += s1 * grad_output[out + _index(k)]
                        for k in range(channels):
                            grad_value[v2 + _index(k)] += s2 * grad_output[out + _index(k)]
                        for k in range(channels):
                            grad_value[v3 + _index(k)] += s3 * grad_output[out + _index(k)]
                        grad_weights[n] = top_share * (left_share * p0 + right_share * p1) + bottom_share * (
                            left_share * p2 + right_share * p3
                        )
                        at_left, at_right = 1.0 * (x >= 0), 1.0 * (x < width - 1)
                        at_top, at_bottom = 1.0 * (y >= 0), 1.0 * (y < height - 1)
                        grad_locations[_TWO * n] = (
                            (top_share * (at_right * p1 - at_left * p0) + bottom_share * (at_right * p3 - at_left * p2))
                            * weight
                            * width
                        )
                        grad_locations[_TWO * n + _index(1)] = (
                            (left_share * (at_bottom * p2 - at_top * p0) + right_share * (at_bottom * p3 - at_top * p1))
                            * weight
                            * height
                        )
                    level_start += height * width

    return sample, sample_backward
