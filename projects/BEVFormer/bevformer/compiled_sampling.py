"""Deformable attention's sampling for CPUs: one compiled pass over the samples, nothing stored per sample.

`F.grid_sample`, which mmcv falls back on without a GPU, writes every sampled vector before it is weighted: points
times the size of the output, forwards and backwards. Here each vector goes from the feature map straight into the
weighted sum. Work is split over `torch.get_num_threads()` threads: by rows forwards, and by heads backwards, where
each head owns its channels of the feature gradient, so that the result depends on no order of threads.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from .sampling_kernels import sampling_kernels


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
        arrays = _flat(value, locations, weights, group, output)
        sizes = (shapes, value.shape[1], heads, locations.shape[3])
        _in_parallel(functools.partial(sampling_kernels(value.shape[3])[0], *arrays, *sizes), rows)
        ctx.save_for_backward(value, locations, weights, group)
        ctx.shapes = shapes
        return output.flatten(1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_output):
        value, locations, weights, group = ctx.saved_tensors
        grads = torch.zeros_like(value), torch.empty_like(locations), torch.empty_like(weights)
        grad_output = grad_output.contiguous().view(*locations.shape[:2], value.shape[3])
        arrays = _flat(value, locations, weights, group, grad_output, *grads)
        sizes = (ctx.shapes, value.shape[1], locations.shape[1], locations.shape[3])
        _in_parallel(functools.partial(sampling_kernels(value.shape[3])[1], *arrays, *sizes), locations.shape[1])
        return grads[0], None, grads[1], grads[2], None


def _flat(*tensors: Tensor) -> list[np.ndarray]:
    return [tensor.detach().numpy().reshape(-1) for tensor in tensors]


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
