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
    expected = (batch, num_cameras, in_channels)
    if features.dim() != 5 or tuple(features.shape[:3]) != expected:
        raise ValueError(
            f'image_features[{level}] must have the shape (B, N, C, h, w) with (B, N, C) = {expected}, of the rig and '
            f'in_channels, got {tuple(features.shape)}'
        )
    if tuple(rig.road2bev.shape) != (batch, 4, 4):
        raise ValueError(f'road2bev must have the shape {(batch, 4, 4)}, got {tuple(rig.road2bev.shape)}')
    valid = rig.camera_valid
    if tuple(valid.shape) != (batch, num_cameras) or valid.dtype != torch.bool:
        raise ValueError(
            f'camera_valid must be a bool tensor of shape {(batch, num_cameras)}, got {valid.dtype} of shape '
            f'{tuple(valid.shape)}'
        )
    return features
