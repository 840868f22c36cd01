"""Deformable attention's sampling for CPUs: one compiled pass over the samples, nothing stored per sample.

`F.grid_sample`, which mmcv falls back on without a GPU, writes every sampled vector before it is weighted: points
times the size of the output, forwards and backwards. Here each vector goes from the feature map straight into the
weighted sum. Work is split over `torch.get_num_threads()` threads: by rows forwards, and by heads backwards, where
each head owns its channels of the feature gradient, so that the result depends on no order of threads.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import torch
from torch import Tensor

# No 'nnan', no 'ninf': a diverged network's NaN must fail the bounds checks, not skip them.
_FAST_MATH = {'contract', 'reassoc', 'nsz', 'arcp'}


def compiled_sampling(
    value: Tensor,  # (G, S, M, D)
    level_shapes: list[tuple[int, int]],
    locations: Tensor,  # (R, M, L, P, 2)
    weights: Tensor,  # (R, M, L, P)
    group: Tensor,  # (R,), int64
) -> Tensor:  # (R, M * D)
    """The weighted sum of bilinear samples; see `deformable_sampling` for the arguments.

    Differentiable once, in float32 or float64, on the CPU.
    """
    shapes = np.asarray(level_shapes, dtype=np.int64).reshape(-1, 2)
    return _CompiledSampling.apply(
        value.contiguous(), shapes, locations.contiguous(), weights.contiguous(), group.contiguous()
    )


class _CompiledSampling(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value, shapes, locations, weights, group):
        rows, heads = locations.shape[:2]
        output = value.new_empty(rows, heads, value.shape[3])
        arrays = [tensor.detach().numpy() for tensor in (value, locations, weights, group, output)]
        _in_parallel(functools.partial(_sample, *arrays, shapes), rows)
        ctx.save_for_backward(value, locations, weights, group)
        ctx.shapes = shapes
        return output.flatten(1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_output):
        value, locations, weights, group = ctx.saved_tensors
        grads = torch.zeros_like(value), torch.empty_like(locations), torch.empty_like(weights)
        grad_output = grad_output.contiguous().view(*locations.shape[:2], value.shape[3])
        tensors = (value, locations, weights, group, grad_output, *grads)
        arrays = [tensor.detach().numpy() for tensor in tensors]
        _in_parallel(functools.partial(_sample_backward, *arrays, ctx.shapes), locations.shape[1])
        return grads[0], None, grads[1], grads[2], None


@functools.lru_cache(maxsize=1)
def _thread_pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix='deformable_sampling')


os.register_at_fork(after_in_child=_thread_pool.cache_clear)


def _in_parallel(work: Callable[[int, int], None], size: int) -> None:
    parts = max(min(torch.get_num_threads(), size), 1)
    if parts == 1:
        work(0, size)
        return
    bounds = [part * size // parts for part in range(parts + 1)]
    pool = _thread_pool(torch.get_num_threads())
    for task in [pool.submit(work, *bounds[part : part + 2]) for part in range(parts)]:
        task.result()


@numba.njit(nogil=True, fastmath=_FAST_MATH, cache=True)
def _sample(  # pragma: no cover - compiled
    value, locations, weights, group, output, shapes, first_row, last_row
):
    heads, levels, points = weights.shape[1:]
    depth = value.shape[3]
    scale = np.empty(1, value.dtype)  # keeps the inner loop in the precision of the features
    for row in range(first_row, last_row):
        source = group[row]
        for head in range(heads):
            for k in range(depth):
                output[row, head, k] = 0
            start = 0
            for level in range(levels):
                height, width = shapes[level]
                for point in range(points):
                    x = locations[row, head, level, point, 0] * width - 0.5
                    y = locations[row, head, level, point, 1] * height - 0.5
                    if not (x > -1 and y > -1 and x < width and y < height):
                        continue
                    left, top = math.floor(x), math.floor(y)
                    for corner in range(4):
                        column, line = left + (corner & 1), top + (corner >> 1)
                        if column < 0 or line < 0 or column >= width or line >= height:
                            continue
                        share = (1 - abs(x - column)) * (1 - abs(y - line))
                        scale[0] = share * weights[row, head, level, point]
                        factor = scale[0]
                        position = start + line * width + column
                        for k in range(depth):
                            output[row, head, k] += factor * value[source, position, head, k]
                start += height * width


@numba.njit(nogil=True, fastmath=_FAST_MATH, cache=True)
def _sample_backward(  # pragma: no cover - compiled
    value,
    locations,
    weights,
    group,
    grad_output,
    grad_value,
    grad_locations,
    grad_weights,
    shapes,
    first_head,
    last_head,
):
    levels, points = weights.shape[2:]
    depth = value.shape[3]
    scale = np.empty(1, value.dtype)
    zero = np.zeros(1, value.dtype)
    for row in range(weights.shape[0]):
        source = group[row]
        for head in range(first_head, last_head):
            start = 0
            for level in range(levels):
                height, width = shapes[level]
                for point in range(points):
                    weight = weights[row, head, level, point]
                    grad_x, grad_y, grad_weight = 0.0, 0.0, 0.0
                    x = locations[row, head, level, point, 0] * width - 0.5
                    y = locations[row, head, level, point, 1] * height - 0.5
                    if x > -1 and y > -1 and x < width and y < height:
                        left, top = math.floor(x), math.floor(y)
                        for corner in range(4):
                            right, bottom = corner & 1, corner >> 1
                            column, line = left + right, top + bottom
                            if column < 0 or line < 0 or column >= width or line >= height:
                                continue
                            share_x, share_y = 1 - abs(x - column), 1 - abs(y - line)
                            scale[0] = share_x * share_y * weight
                            factor = scale[0]
                            position = start + line * width + column
                            product = zero[0]
                            for k in range(depth):
                                product += value[source, position, head, k] * grad_output[row, head, k]
                            for k in range(depth):
                                grad_value[source, position, head, k] += factor * grad_output[row, head, k]
                            grad_weight += share_x * share_y * product
                            grad_x += (2 * right - 1) * share_y * product
                            grad_y += (2 * bottom - 1) * share_x * product
                    grad_weights[row, head, level, point] = grad_weight
                    grad_locations[row, head, level, point, 0] = grad_x * weight * width
                    grad_locations[row, head, level, point, 1] = grad_y * weight * height
                start += height * width
