"""How deformable attention starts: the directional grid of Deformable DETR."""

from __future__ import annotations

import math

import torch
from torch import nn


@torch.no_grad()
def init_sampling_offsets(linear: nn.Linear, num_heads: int, num_maps: int, num_points: int) -> None:
    """Each head looks in a direction of its own, its k-th point k cells away; queries change nothing at first.

    Args:
        linear: the layer whose outputs are (num_heads, num_maps, num_points, 2) offsets in cells.
        num_heads: attention heads.
        num_maps: feature levels, or BEV queues times their levels.
        num_points: points of a head in a map.
    """
    angles = torch.arange(num_heads) * (2 * math.pi / num_heads)
    directions = torch.stack([angles.cos(), angles.sin()], -1)
    directions = directions / directions.abs().amax(-1, keepdim=True)
    steps = torch.arange(1, num_points + 1, dtype=directions.dtype)
    offsets = directions[:, None, None] * steps[:, None]
    nn.init.zeros_(linear.weight)
    linear.bias.copy_(offsets.expand(-1, num_maps, -1, -1).flatten())


@torch.no_grad()
def init_attention(weights: nn.Linear, *projections: nn.Linear) -> None:
    """Equal attention weights; Xavier projections without bias."""
    nn.init.zeros_(weights.weight)
    nn.init.zeros_(weights.bias)
    for projection in projections:
        nn.init.xavier_uniform_(projection.weight)
        nn.init.zeros_(projection.bias)


def check_heads(embed_dims: int, num_heads: int) -> None:
    """Raise ValueError unless the heads divide the channels."""
    if embed_dims % num_heads:
        raise ValueError(f'num_heads {num_heads} must divide embed_dims {embed_dims}')
