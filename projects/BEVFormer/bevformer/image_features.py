"""Image features of several levels and cameras as one row of positions, in the channels of the BEV."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import ModuleList
from torch import Tensor, nn


def input_projections(
    in_channels: int | Sequence[int] | None,
    num_levels: int,
    embed_dims: int,
) -> ModuleList | None:
    """A 1x1 convolution for each level, or None where the features have `embed_dims` channels already.

    Raises:
        ValueError: another number of `in_channels` than of levels.
    """
    if in_channels is None:
        return None
    if isinstance(in_channels, int):
        in_channels = [in_channels] * num_levels
    if len(in_channels) != num_levels:
        raise ValueError(
            f'in_channels must be one number or num_levels = {num_levels} of them, got {list(in_channels)}'
        )
    return ModuleList([nn.Conv2d(channels, embed_dims, 1) for channels in in_channels])


def flatten_features(
    image_features: Sequence[Tensor],  # levels of (B, N, C', h, w)
    projections: ModuleList | None,
    camera_embeddings: Tensor,  # (N or more, C)
    level_embeddings: Tensor,  # (levels, C)
) -> tuple[Tensor, list[tuple[int, int]]]:  # (B, N, S, C)
    """One row of all positions, with the embeddings of camera and level added, and (height, width) of each level."""
    flat = []
    for level, features in enumerate(image_features):
        maps = features.flatten(0, 1)
        if projections is not None:
            maps = projections[level](maps)
        maps = maps.flatten(2).transpose(1, 2).unflatten(0, features.shape[:2])
        cameras = camera_embeddings[: features.shape[1], None]
        flat.append(maps + (cameras + level_embeddings[level]).to(maps.dtype))
    return torch.cat(flat, 2), [tuple(features.shape[-2:]) for features in image_features]
