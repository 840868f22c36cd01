"""Features of points from all cameras: bilinear samples, averaged over the cameras that see a point."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_bev.geometry import project_points
from ssl_bev.geometry.precision import full_precision
from ssl_bev.structures import CameraRig

_FAR_OUTSIDE = -10.0  # of [-1, 1]: samples are exactly zero there


@torch.no_grad()
def camera_positions(
    points: Tensor,  # (B, P, 3), metres in the BEV frame
    rig: CameraRig,
    image_size: tuple[int, int],
    feature_shape: tuple[int, int],
) -> tuple[Tensor, Tensor]:  # (B, N, P, 2), (B, N, P)
    """Positions of points in the camera features for `F.grid_sample(align_corners=False)`, in float32.

    Args:
        points: of each sample.
        rig: of one frame; a camera sees points inside of its image without padding, and none if it is missing.
        image_size: height and width of the images that the features cover, padding included, pixels.
        feature_shape: height and width of the features.

    Returns:
        positions, far outside where a camera does not see the point; and visible.
    """
    pixels, _, visible = project_points(points[:, None], rig.bev2img.float(), rig.image_size)
    visible = visible & rig.camera_valid[..., None]
    # The outermost values of the image are repeated up to its border, not mixed with the padding or the zeros outside.
    sizes = zip(pixels.unbind(-1), rig.image_size[::-1], image_size[::-1], feature_shape[::-1], strict=True)
    positions = []
    for pixel, picture, image, cells in sizes:
        half_cell = image / cells / 2
        positions.append(pixel.clamp(half_cell, picture - half_cell) * (2 / image) - 1)
    return torch.where(visible[..., None], torch.stack(positions, -1), _FAR_OUTSIDE), visible


@full_precision
def sample_cameras(
    features: Tensor,  # (B, N, C, h, w)
    positions: Tensor,  # (B, N, P, 2)
    visible: Tensor,  # (B, N, P), bool
) -> Tensor:  # (B, C, P), float32 at least
    """The mean of the samples over the cameras that see a point; zero if none does."""
    values = features.flatten(0, 1).to(torch.promote_types(features.dtype, torch.float32))
    grid = positions.flatten(0, 1)[:, :, None].to(values.dtype)
    sampled = F.grid_sample(values, grid, align_corners=False)[..., 0].unflatten(0, features.shape[:2])
    return sampled.sum(1) / visible.sum(1).clamp(min=1)[:, None]
