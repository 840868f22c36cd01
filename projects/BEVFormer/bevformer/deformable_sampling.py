"""The sampling of multi-scale deformable attention over ragged rows.

Shapes: G feature maps (images, or BEV maps), S positions of all levels in a row, R rows (a query, or a
query in one camera), M heads, D channels of a head, L levels, P points.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)
from torch import Tensor

from .compiled_sampling import compiled_sampling


@dataclass(frozen=True)
class RowGroups:
    """Which feature map each row reads. Rows of one map stand together, maps in ascending order.

    Args:
        index: feature map of each row, (R,), int64.
        slot: position of each row among those of its map, (R,), int64.
        num_groups: number of feature maps.
        longest: the most rows that one map has, at least 1: CUDA launches no empty kernel.
    """

    index: Tensor
    slot: Tensor
    num_groups: int
    longest: int

    @classmethod
    def from_index(cls, index: Tensor, num_groups: int) -> RowGroups:
        """Rows with a feature map each; waits for the device once."""
        counts = torch.bincount(index, minlength=num_groups)
        slot = torch.arange(len(index), device=index.device) - (counts.cumsum(0) - counts)[index]
        return cls(index, slot, num_groups, max(int(counts.max()), 1))

    @classmethod
    def equal(cls, num_groups: int, rows_per_group: int, device: torch.device) -> RowGroups:
        """The same number of rows for each feature map."""
        rows = torch.arange(num_groups * rows_per_group, device=device)
        return cls(rows // rows_per_group, rows % rows_per_group, num_groups, rows_per_group)


def deformable_sampling(
    value: Tensor,  # (G, S, M, D)
    level_shapes: list[tuple[int, int]],
    locations: Tensor,  # (R, M, L, P, 2)
    weights: Tensor,  # (R, M, L, P)
    groups: RowGroups,
) -> Tensor:  # (R, M * D)
    """Sum bilinear samples of each row's feature map with attention weights.

    Convention: locations are (x, y) fractions of a level's width and height, (0, 0) being the outer corner of its
    first position; there is zero outside. The samples are taken in the precision of the locations.

    Args:
        value: feature maps, levels one after another, row-major.
        level_shapes: (height, width) of each level.
        locations: where each row samples.
        weights: weight of each sample.
        groups: which feature map each row reads.
    """
    value, weights = value.to(locations.dtype), weights.to(locations.dtype)
    if value.device.type == 'cpu':
        return compiled_sampling(value, level_shapes, locations, weights, groups.index)
    return padded_sampling(value, level_shapes, locations, weights, groups)


def softmax_over_last(logits: Tensor) -> Tensor:
    """Softmax over a short last dimension, such as the points of a head.

    torch's CPU kernel takes ten times as long over a short contiguous dimension as over a strided one.
    """
    return logits.movedim(-1, 0).softmax(0).movedim(0, -1)


def padded_sampling(
    value: Tensor,  # (G, S, M, D)
    level_shapes: list[tuple[int, int]],
    locations: Tensor,  # (R, M, L, P, 2)
    weights: Tensor,  # (R, M, L, P)
    groups: RowGroups,
) -> Tensor:  # (R, M * D)
    """The same as `deformable_sampling` with mmcv's operators: rows padded to the longest group."""
    size = (groups.num_groups, groups.longest)
    position = (groups.index, groups.slot)
    padded_locations = locations.new_zeros(*size, *locations.shape[1:]).index_put(position, locations)
    padded_weights = weights.new_zeros(*size, *weights.shape[1:]).index_put(position, weights)
    shapes = torch.tensor(level_shapes, device=value.device)
    if value.is_cuda:
        starts = torch.cat([shapes.new_zeros(1), shapes.prod(1).cumsum(0)[:-1]])
        step = groups.num_groups
        output = MultiScaleDeformableAttnFunction.apply(
            value.contiguous(), shapes, starts, padded_locations, padded_weights, step
        )
    else:
        output = multi_scale_deformable_attn_pytorch(value, shapes, padded_locations, padded_weights)
    return output[position]
