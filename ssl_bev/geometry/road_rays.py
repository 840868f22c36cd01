"""Intersections of the rays of pixels with the ground."""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import full_precision
from .projection import covered_area, ground_homography, pixel_rays, pixels_to_ground
from .road import Road, lift_to_road

_DEPTHS = tuple(0.5 * 1.1**k for k in range(64))  # along the optical axis, to 202 m
_REFINEMENTS = 3


@full_precision
def pixels_on_road(
    pixels: Tensor,  # (P, 2)
    bev2img: Tensor,  # (..., 4, 4)
    road: Road | Tensor,  # (...), or road2bev (..., 4, 4)
) -> tuple[Tensor, Tensor, Tensor]:  # (..., P, 2), (..., P), (..., P)
    """The first point of the ground that each pixel sees; for a plane, the same as `pixels_to_ground`.

    Returns:
        xy in metres; the ground area in square metres that one square pixel covers there; and valid: True where the
        ray meets the ground in front of the camera, not farther than 200 m if the ground has heights. The others are
        zero.
    """
    road = Road.of(road)
    homography = ground_homography(bev2img, road.road2bev)
    if road.is_plane:
        return pixels_to_ground(pixels, homography)
    road = road.to(bev2img)
    origin, direction = pixel_rays(pixels.to(bev2img), bev2img)

    def above(depth: Tensor) -> Tensor:
        points = origin + depth[..., None] * direction
        return points[..., 2] - lift_to_road(points[..., :2], road)[..., 2]

    # Step along all rays until they have crossed the ground, then refine the crossing.
    depth = torch.full_like(direction[..., 0], _DEPTHS[0])
    height = above(depth)
    start, end, over, under = depth, depth, height, height
    valid = torch.zeros_like(depth, dtype=torch.bool)
    for step in _DEPTHS[1:]:
        before, was = depth, height
        depth = torch.full_like(depth, step)
        height = above(depth)
        crosses = ~valid & (was > 0) & (height <= 0)
        start, end = torch.where(crosses, before, start), torch.where(crosses, depth, end)
        over, under = torch.where(crosses, was, over), torch.where(crosses, height, under)
        valid = valid | crosses
    for _ in range(_REFINEMENTS):
        depth = start + (end - start) * torch.where(valid, over / (over - under).clamp(min=1e-6), 0.0)
        height = above(depth)
        start, over = torch.where(height > 0, depth, start), torch.where(height > 0, height, over)
        end, under = torch.where(height > 0, end, depth), torch.where(height > 0, under, height)
    xy = torch.where(valid[..., None], (origin + depth[..., None] * direction)[..., :2], 0.0)
    steps = homography[..., None, :, :2] + bev2img[..., None, :3, 2, None] * road.slope(xy)[..., None, :]
    points = lift_to_road(xy, road)
    projected = points @ bev2img[..., :3, :3].mT + bev2img[..., None, :3, 3]
    return xy, torch.where(valid, covered_area(steps, projected), 0.0), valid
