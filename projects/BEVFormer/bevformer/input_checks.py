"""Checks of the arguments of `BEVFormer.forward`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ssl_bev.geometry import Road


@dataclass(frozen=True)
class InputSizes:
    """The sizes of the inputs that the configuration expects.

    Args:
        level_channels: channels of the image features, of each level.
        num_cams: the largest number of cameras.
        bev_shape: (C, H, W) of the BEV.
    """

    level_channels: tuple[int, ...]
    num_cams: int
    bev_shape: tuple[int, int, int]


def check_inputs(
    sizes: InputSizes,
    image_features: Sequence[Tensor],  # levels of (B, N, C, h, w)
    bev2img: Tensor,  # (B, N, 4, 4)
    road: Road | Tensor | None,  # (B), or road2bev (B, 4, 4)
    history: Tensor | None,  # (B, C, H, W)
    current2history: Tensor | None,  # (B, 4, 4)
    history_valid: Tensor | None,  # (B,), bool
    camera_valid: Tensor | None,  # (B, N), bool
) -> None:
    """Raise ValueError for a shape that contradicts the configuration or the other arguments."""
    num_levels, num_cams = len(sizes.level_channels), sizes.num_cams
    if len(image_features) != num_levels:
        raise ValueError(f'image_features must have num_levels = {num_levels} levels, got {len(image_features)}')
    if bev2img.dim() != 4 or bev2img.shape[2:] != (4, 4):
        raise ValueError(f'bev2img must have the shape (B, N, 4, 4), got {tuple(bev2img.shape)}')
    batch, cameras = bev2img.shape[:2]
    if cameras > num_cams:
        raise ValueError(f'num_cams is {num_cams}, got {cameras} cameras; raise num_cams')
    for level, features in enumerate(image_features):
        expected = (batch, cameras, sizes.level_channels[level])
        if features.dim() != 5 or tuple(features.shape[:3]) != expected:
            raise ValueError(
                f'image_features[{level}] must have the shape (B, N, C, h, w) with (B, N, C) = {expected}, '
                f'got {tuple(features.shape)}'
            )
    _check_shape('road2bev', None if road is None else Road.of(road).road2bev, (batch, 4, 4))
    _check_shape('current2history', current2history, (batch, 4, 4))
    _check_shape('history', history, (batch, *sizes.bev_shape))
    _check_flags('history_valid', history_valid, (batch,))
    _check_flags('camera_valid', camera_valid, (batch, cameras))


def _check_shape(name: str, tensor: Tensor | None, expected: tuple[int, ...]) -> None:
    if tensor is not None and tuple(tensor.shape) != expected:
        raise ValueError(f'{name} must have the shape {expected}, got {tuple(tensor.shape)}')


def _check_flags(name: str, flags: Tensor | None, expected: tuple[int, ...]) -> None:
    if flags is not None and (tuple(flags.shape) != expected or flags.dtype != torch.bool):
        raise ValueError(
            f'{name} must be a bool tensor of shape {expected}, got {flags.dtype} of shape {tuple(flags.shape)}'
        )
