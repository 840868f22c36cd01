"""A ring of pinhole cameras on a car, and random inputs for BEVFormer's modules."""

from __future__ import annotations

import math

import torch
from mmdet3d.registry import MODELS
from torch import Tensor

import projects.BEVFormer.bevformer  # noqa: F401  registers BEVFormer
from ssl_bev.geometry import rotation_z, translation

IMAGE_SIZE = (64, 96)
LEVEL_SHAPES = [(8, 12), (4, 6)]
CONFIG = {
    'type': 'BEVFormer',
    'x_range': (-6, 6),
    'y_range': (-4, 4),
    'bev_shape': (8, 12),
    'embed_dims': 16,
    'num_layers': 2,
    'num_heads': 4,
    'num_levels': 2,
    'num_cams': 6,
}
BEV_SIZE = (16, 8, 12)


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


def build_bevformer(generator: torch.Generator, **options: object) -> torch.nn.Module:
    return randomize(MODELS.build({**CONFIG, **options}), generator)


def two_samples(generator: torch.Generator, num_cameras: int = 3) -> dict:
    """Two samples that differ in cameras, visible counts, road and history; only the second has a history."""
    rigs = [ring_of_cameras(num_cameras), ring_of_cameras(num_cameras, first_yaw=0.5, focal_length=30, height=2.0)]
    motion = translation(torch.tensor([0.7, -0.4, 0.0])) @ rotation_z(torch.tensor(0.1))
    return {
        'image_features': level_features(2, num_cameras, BEV_SIZE[0], generator),
        'bev2img': torch.stack(rigs),
        'image_size': IMAGE_SIZE,
        'road': torch.stack([torch.eye(4), translation(torch.tensor([0.0, 0, -0.5]))]),
        'history': torch.randn(2, *BEV_SIZE, generator=generator),
        'current2history': torch.stack([rotation_z(torch.tensor(0.3)), motion]),
        'history_valid': torch.tensor([False, True]),
    }
