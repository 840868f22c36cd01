"""The sum of a frustum's features in BEV cells, without the frustum in memory."""

from __future__ import annotations

import torch
from torch import Tensor

from ssl_bev.geometry.precision import full_precision


@full_precision
def splat(
    context: Tensor,  # (B, P, C)
    depth: Tensor,  # (D, B, P)
    cells: Tensor,  # (D, B, P), int64
    num_cells: int,
) -> Tensor:  # (B, num_cells, C), float32 at least
    """Add each pixel's context, times the probability of a depth, to the cell of its point at that depth.

    Args:
        context: vector of each pixel.
        depth: probabilities of the depth bins.
        cells: the cell in the sample, from 0; `num_cells` where there is none.
        num_cells: cells of a sample.
    """
    batch, _, channels = context.shape
    dtype = torch.promote_types(context.dtype, torch.float32)
    rows, weights = context.flatten(0, 1).to(dtype).contiguous(), depth.flatten(1).to(dtype)
    # An extra cell collects points outside: to select those inside, the CPU would wait for the GPU.
    samples = torch.arange(batch, device=cells.device)[:, None] * (num_cells + 1)
    index = (cells + samples).flatten(1)
    total = rows.new_zeros(batch * (num_cells + 1), channels)
    # One bin at a time, with scatter_add, whose backward pass keeps only the index: memory does not grow with the bins.
    for cell, weight in zip(index.unbind(), weights.unbind(), strict=True):
        total.scatter_add_(0, cell[:, None].expand(-1, channels), rows * weight[:, None])
    return total.unflatten(0, (batch, -1))[:, :num_cells]
