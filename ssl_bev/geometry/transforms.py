"""Homogeneous transforms. Convention: `src2dst` matrices, applied to column vectors, metres and radians."""

from __future__ import annotations

import torch
from torch import Tensor

from .constants import constant
from .precision import full_precision


@full_precision
def transform_points(
    transform: Tensor,  # (..., 4, 4)
    points: Tensor,  # (..., P, 3)
) -> Tensor:  # (..., P, 3)
    """Apply a rigid or affine transform to points; batch dimensions broadcast."""
    _check(transform, 4)
    return points @ transform[..., :3, :3].mT + transform[..., None, :3, 3]


@full_precision
def invert_rigid(
    transform: Tensor,  # (..., 4, 4)
) -> Tensor:  # (..., 4, 4)
    """Invert a rotation (or reflection) and translation without a general matrix inverse."""
    _check(transform, 4)
    rotation = transform[..., :3, :3].mT
    inverse = torch.zeros_like(transform)
    inverse[..., :3, :3] = rotation
    inverse[..., :3, 3] = -(rotation @ transform[..., :3, 3:])[..., 0]
    inverse[..., 3, 3] = 1
    return inverse


def rotation_z(
    yaw: Tensor,  # (...), radians, counter-clockwise seen from above
) -> Tensor:  # (..., 4, 4)
    """The rotation about the upward axis."""
    yaw = torch.as_tensor(yaw)
    cos, sin, zero, one = yaw.cos(), yaw.sin(), torch.zeros_like(yaw), torch.ones_like(yaw)
    rows = [[cos, -sin, zero, zero], [sin, cos, zero, zero], [zero, zero, one, zero], [zero, zero, zero, one]]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def translation(
    offset: Tensor,  # (..., 3), metres
) -> Tensor:  # (..., 4, 4)
    """The pure shift by an offset."""
    offset = torch.as_tensor(offset)
    matrix = torch.eye(4, dtype=offset.dtype, device=offset.device).repeat(*offset.shape[:-1], 1, 1)
    matrix[..., :3, 3] = offset
    return matrix


def scale_pixels(
    bev2img: Tensor,  # (..., 4, 4)
    scale_x: float,
    scale_y: float,
) -> Tensor:  # (..., 4, 4)
    """The projection into an image resized by these factors (exact, as the first pixel's centre is (0.5, 0.5))."""
    _check(bev2img, 4)
    return constant((scale_x, scale_y, 1, 1), bev2img)[:, None] * bev2img


def planar_pose(
    pose: Tensor,  # (..., 4, 4)
) -> Tensor:  # (..., 3, 3)
    """The SE(2) part of a pose in the x, y plane: heading from the rotation's first column, shift from x and y.

    Roll, pitch and height are dropped; a reflection of the y axis (a flipped BEV) is kept.
    """
    _check(pose, 4)
    direction = torch.nn.functional.normalize(pose[..., :2, 0], dim=-1)
    turn_sign = (pose[..., 0, 0] * pose[..., 1, 1] - pose[..., 0, 1] * pose[..., 1, 0]).sign()
    left = torch.stack([-direction[..., 1], direction[..., 0]], -1) * turn_sign[..., None]
    planar = torch.zeros(*pose.shape[:-2], 3, 3, dtype=pose.dtype, device=pose.device)
    planar[..., :2, 0], planar[..., :2, 1], planar[..., :2, 2] = direction, left, pose[..., :2, 3]
    planar[..., 2, 2] = 1
    return planar


def _check(matrix: Tensor, size: int) -> None:
    if matrix.shape[-2:] != (size, size):
        raise ValueError(f'transform must have the shape (..., {size}, {size}), got {tuple(matrix.shape)}')
