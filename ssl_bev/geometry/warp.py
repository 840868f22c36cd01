"""Sampling of BEV maps at metric positions, and their SE(2) warp by ego motion."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .bev_grid import BEVGrid
from .precision import full_precision
from .road import Road, lift_to_road
from .transforms import planar_pose, transform_points


def sample_bev(
    bev: Tensor,  # (B, C, H, W)
    grid: BEVGrid,
    xy: Tensor,  # (B, h, w, 2), metres
    mode: str = 'bilinear',
) -> Tensor:  # (B, C, h, w)
    """Read a BEV map at positions in metres; the value of the border continues for half a cell, then zeros follow.

    Raises:
        ValueError: the map's shape is not the grid's.
    """
    grid.check(bev)
    dtype = torch.promote_types(bev.dtype, torch.float32)
    positions = grid.normalize(xy.to(dtype))
    sampled = F.grid_sample(bev.to(dtype), positions, mode=mode, padding_mode='border', align_corners=False)
    inside = (positions.abs() <= 1).all(-1, keepdim=True).movedim(-1, 1)
    return torch.where(inside, sampled, 0.0).to(bev.dtype)


@full_precision
def warp_bev(
    bev: Tensor,  # (B, C, H, W)
    grid: BEVGrid,
    target2source: Tensor,  # (B, 4, 4)
    mode: str = 'bilinear',
    road: Road | None = None,  # (B)
) -> tuple[Tensor, Tensor]:  # (B, C, H, W), (B, H, W)
    """Warp a BEV map from its source frame into a target frame on the same grid.

    Args:
        bev: map in the source frame.
        grid: range and cell size of both maps.
        target2source: pose of the target frame in the source frame; without a road, only its SE(2) part in the x, y
            plane counts.
        mode: 'bilinear' or 'nearest'.
        road: the ground of the target frame: its points are warped correctly also if the vehicle tilts between the
            frames.

    Returns:
        The map seen from the target frame, and valid: True where the target cell's centre lies inside the source.
    """
    centers = grid.cell_centers(bev.device).flatten(0, 1)
    if road is None:
        pose = planar_pose(target2source).to(torch.float32)
        xy = centers @ pose[:, :2, :2].mT + pose[:, None, :2, 2]
    else:
        xy = transform_points(target2source.to(centers), lift_to_road(centers, road.to(centers)))[..., :2]
    xy = xy.unflatten(1, grid.shape)
    # A centre exactly on the edge, as after a shift by half a cell, is outside, however it was rounded.
    valid = (grid.normalize(xy).abs() <= 1 - 1e-6).all(-1)
    return sample_bev(bev, grid, xy, mode), valid
