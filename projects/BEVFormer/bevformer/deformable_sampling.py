"""The sampling of multi-scale deformable attention over ragged rows.

Shapes: G feature maps (images, or BEV maps), S positions of all levels in a row, R rows (a query, or a
query in one camera), M heads, D channels of a head, L levels, P points.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)
from torch import Tensor

from ssl_bev.geometry import constant

from .compiled_sampling import compiled_sampling


@dataclass(frozen=True)
class RowGroups:
    """Which feature map each row reads. Rows of one map stand together, maps in ascending order.

    Args:
        counts: how many rows each of the G feature maps has, known to the host.
        index: feature map of each row, (R,), int64.
        slot: position of each row among those of its map, (R,), int64; None where all maps have equally many.
    """

    counts: tuple[int, ...]
    index: Tensor
    slot: Tensor | None = None

    @classmethod
    def from_mask(
        cls,
        reads: Tensor,  # (G, X), bool
    ) -> tuple[RowGroups, Tensor]:  # groups, (R,) int64
        """A row for each True, and its flat position in the mask; waits for the device once."""
        found = reads.flatten().cumsum(0)
        ends = found.view_as(reads)[:, -1]
        bounds = [0, *ends.tolist()]
        # The k-th True is where the sum of all so far reaches k: `nonzero` would wait once more.
        position = torch.searchsorted(found, torch.arange(1, bounds[-1] + 1, device=reads.device))
        index = position // reads.shape[1]
        starts = (ends - reads.sum(1)).index_select(0, index)
        slot = torch.arange(len(position), device=reads.device) - starts
        return cls(tuple(end - start for start, end in pairwise(bounds)), index, slot), position

    @classmethod
    def equal(cls, num_groups: int, rows_per_group: int, device: torch.device) -> RowGroups:
        """The same number of rows for each feature map."""
        index = torch.arange(num_groups, device=device)[:, None].expand(-1, rows_per_group).flatten()
        return cls((rows_per_group,) * num_groups, index)

    @property
    def num_groups(self) -> int:
        """Number of feature maps."""
        return len(self.counts)

    @property
    def num_rows(self) -> int:
        return sum(self.counts)

    def split(self, parts: int) -> list[RowGroups]:
        """The groups of equally many maps each, in their order; maps are counted from the first of each part."""
        size = self.num_groups // parts
        counts = [self.counts[part * size : (part + 1) * size] for part in range(parts)]
        rows = [sum(part) for part in counts]
        indices = self.index.split(rows)
        slots = [None] * parts if self.slot is None else self.slot.split(rows)
        return [
            RowGroups(part, index - k * size, slot)
            for k, (part, index, slot) in enumerate(zip(counts, indices, slots, strict=True))
        ]


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

    Raises:
        ValueError: feature maps that contradict `level_shapes` or `groups`.
    """
    # The compiled sampling would read beyond the feature maps.
    expected = (groups.num_groups, sum(height * width for height, width in level_shapes))
    if tuple(value.shape[:2]) != expected:
        raise ValueError(
            f'value must have the shape (G, S, M, D) with (G, S) = {expected}, of groups and level_shapes '
            f'{level_shapes}, got {tuple(value.shape)}'
        )
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
    if groups.slot is None:
        rows = (groups.num_groups, -1)
        output = _operator(value, level_shapes, locations.unflatten(0, rows), weights.unflatten(0, rows))
        return output.flatten(0, 1)
    size = (groups.num_groups, max(*groups.counts, 1))  # CUDA launches no empty kernel
    position = (groups.index, groups.slot)
    padded_locations = locations.new_zeros(*size, *locations.shape[1:]).index_put(position, locations)
    padded_weights = weights.new_zeros(*size, *weights.shape[1:]).index_put(position, weights)
    return _operator(value, level_shapes, padded_locations, padded_weights)[position]


def _operator(
    value: Tensor,  # (G, S, M, D)
    level_shapes: list[tuple[int, int]],
    locations: Tensor,  # (G, X, M, L, P, 2)
    weights: Tensor,  # (G, X, M, L, P)
) -> Tensor:  # (G, X, M * D)
    if not value.is_cuda:
        return multi_scale_deformable_attn_pytorch(value, level_shapes, locations, weights)
    starts = (0, *accumulate(height * width for height, width in level_shapes[:-1]))
    shapes, starts = (constant(numbers, value, torch.int64) for numbers in (tuple(level_shapes), starts))
    return MultiScaleDeformableAttnFunction.apply(
        value.contiguous(), shapes, starts, locations.contiguous(), weights.contiguous(), len(value)
    )
