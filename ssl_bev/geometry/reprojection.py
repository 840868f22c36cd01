"""The reprojection of a BEV map into the cameras."""

from __future__ import annotations

import torch
from torch import Tensor

from .bev_grid import BEVGrid
from .projection import pixel_grid
from .road import Road
from .road_rays import pixels_on_road
from .warp import sample_bev


def reproject(
    bev: Tensor,  # (B, K, H, W)
    grid: BEVGrid,
    bev2img: Tensor,  # (B, N, 4, 4)
    road: Road | Tensor,  # (B), or road2bev (B, 4, 4)
    image_size: tuple[int, int],
    stride: int,
) -> tuple[Tensor, Tensor, Tensor]:  # (B, K, N, h, w), (B, N, h, w), (B, N, h, w)
    """Read a BEV map at the road point of every `stride`-th image pixel, differentiably.

    Convention: value (i, j) is at the image position ((j + 0.5) stride, (i + 0.5) stride).

    Args:
        bev: logits or any other map.
        grid: range and cell size of `bev`.
        bev2img: projections into the images.
        road: where the ground is.
        image_size: height and width of the images, pixels; multiples of the stride.
        stride: distance between the pixels.

    Returns:
        The map in the images; the ground area of one pixel in square metres; and valid: True below the horizon,
        in front of the camera and inside the grid. Values and areas that are not valid are 0.

    Source: arXiv 2602.18066, section on differentiable reprojection; for the flat road it is one homography per camera.
    """
    grid.check(bev)
    pixels = pixel_grid(image_size, stride, bev2img.device)
    ground = pixels_on_road(pixels.flatten(0, 1), bev2img, Road.of(road)[:, None])
    xy, area, below_horizon = (part.unflatten(2, pixels.shape[:2]) for part in ground)
    valid = below_horizon & grid.contains(xy)
    cameras = bev2img.shape[1]
    # One tall image of all cameras, so that one call reads them.
    values = sample_bev(bev, grid, xy.flatten(1, 2)).unflatten(2, (cameras, -1))
    return torch.where(valid[:, None], values, 0.0), torch.where(valid, area, 0.0), valid
