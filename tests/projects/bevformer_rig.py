"""A ring of pinhole cameras on a car, and random inputs for BEVFormer's modules."""

from __future__ import annotations

import math

import torch
from torch import Tensor

IMAGE_SIZE = (64, 96)
LEVEL_SHAPES = [(8, 12), (4, 6)]


def ring_of_cameras(
    num_cameras: int,
    first_yaw: float = 0.0,
    focal_length: float = 50.0,
    height: float = 1.5,
) -> Tensor:  # (N, 4, 4)
    """`bev2img` of level cameras above the origin of the ego frame, evenly turned, the first to `first_yaw`."""
    image_height, image_width = IMAGE_SIZE
    intrinsics = torch.tensor(
        [[focal_length, 0, image_width / 2, 0], [0, focal_length, image_height / 2, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    )
    matrices = []
    for index in range(num_cameras):
        yaw = first_yaw + 2 * math.pi * index / num_cameras
        sin, cos = math.sin(yaw), math.cos(yaw)
        # right, down and forward of the camera in the ego frame
        ego2cam = torch.tensor([[sin, -cos, 0, 0], [0, 0, -1, height], [cos, sin, 0, 0], [0, 0, 0, 1]])
        matrices.append(intrinsics @ ego2cam)
    return torch.stack(matrices)


def level_features(
    batch: int,
    num_cameras: int,
    channels: int,
    generator: torch.Generator,
) -> list[Tensor]:
    return [torch.randn(batch, num_cameras, channels, *shape, generator=generator) for shape in LEVEL_SHAPES]


def randomize(module: torch.nn.Module, generator: torch.Generator) -> torch.nn.Module:
    """Random parameters everywhere, so that offsets and attention weights depend on the queries."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return module.eval()
