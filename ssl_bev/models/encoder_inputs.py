"""The camera features that an encoder works on, checked against its configuration."""

from __future__ import annotations

import torch
from torch import Tensor

from ssl_bev.structures import CameraRig

from .bev_encoder import FrameInputs


def camera_features(
    inputs: FrameInputs,
    rig: CameraRig,
    level: int,
    in_channels: int,
) -> Tensor:  # (B, N, C, h, w)
    """One level of the image features, with the number of samples and cameras of the rig.

    Raises:
        ValueError: no such level, or a shape that contradicts the configuration or the rig.
    """
    if inputs.image_size is None:
        raise ValueError('image_size (height, width) of the images that the features cover is needed, got None')
    num_levels = len(inputs.image_features)
    if not -num_levels <= level < num_levels:
        raise ValueError(f'level {level} of image_features is configured, got {num_levels} levels')
    if rig.bev2img.dim() != 4 or rig.bev2img.shape[2:] != (4, 4):
        raise ValueError(f'bev2img of one frame must have the shape (B, N, 4, 4), got {tuple(rig.bev2img.shape)}')
    batch, num_cameras = rig.bev2img.shape[:2]
    features = inputs.image_features[level]
    check_features(features, level, (batch, num_cameras, in_channels))
    check_shape('road2bev', rig.road2bev, (batch, 4, 4))
    check_flags('camera_valid', rig.camera_valid, (batch, num_cameras))
    return features


def check_features(features: Tensor, level: int, expected: tuple[int, int, int]) -> None:
    """Raise ValueError unless a level of the image features has the expected samples, cameras and channels."""
    if features.dim() != 5 or tuple(features.shape[:3]) != expected:
        raise ValueError(
            f'image_features[{level}] must have the shape (B, N, C, h, w) with (B, N, C) = {expected}, of bev2img and '
            f'in_channels, got {tuple(features.shape)}'
        )


def check_shape(name: str, tensor: Tensor | None, expected: tuple[int, ...]) -> None:
    """Raise ValueError for another shape; None is fine."""
    if tensor is not None and tuple(tensor.shape) != expected:
        raise ValueError(f'{name} must have the shape {expected}, got {tuple(tensor.shape)}')


def check_flags(name: str, flags: Tensor | None, expected: tuple[int, ...]) -> None:
    """Raise ValueError for another shape or type than bool; None is fine."""
    if flags is not None and (tuple(flags.shape) != expected or flags.dtype != torch.bool):
        raise ValueError(
            f'{name} must be a bool tensor of shape {expected}, got {flags.dtype} of shape {tuple(flags.shape)}'
        )
