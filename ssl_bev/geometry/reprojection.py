"""The differentiable reprojection of a BEV map into the cameras."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .bev_grid import BEVGrid
from .projection import MIN_INVERSE_DEPTH, ground_homography, pixel_centers


@dataclass(frozen=True)
class GroundPixels:
    """The image pixels of a batch that show the road inside a grid; V of them, the only ones worth reading.

    Args:
        index: flat index into (B, N, h, w), ascending, (V,), int64.
        sample: the sample of each pixel, (V,), int64.
        positions: where in the grid each pixel looks, in the [-1, 1] of `BEVGrid.normalize`, (V, 2).
        area: ground area of one pixel, square metres, (V,).
        shape: (B, N, h, w).
    """

    index: Tensor
    sample: Tensor
    positions: Tensor
    area: Tensor
    shape: torch.Size

    def select(
        self,
        maps: Tensor,  # (C, B, N, h, w)
    ) -> Tensor:  # (C, V)
        """The values that image-shaped maps have at these pixels."""
        return maps.flatten(1).index_select(1, self.index)

    def read(
        self,
        bev: Tensor,  # (B, K, H, W)
    ) -> Tensor:  # (K, V)
        """Bilinear values of a BEV map on the road behind these pixels, differentiable in the map, at least float32."""
        batch, _, rows, _ = bev.shape
        bev = bev.to(torch.promote_types(bev.dtype, torch.float32))
        # All maps are one tall image to grid_sample. Positions stay half a cell inside, so that none reads another's.
        tall = bev.transpose(0, 1).flatten(1, 2)[None]
        x, y = self.positions.to(bev.dtype).unbind(-1)
        y = (y.clamp(1 / rows - 1, 1 - 1 / rows) + (2 * self.sample + 1 - batch)) / batch
        positions = torch.stack([x, y], -1)[None, None]
        return F.grid_sample(tall, positions, padding_mode='border', align_corners=False)[0, :, 0]


@torch.no_grad()
def ground_pixels(
    grid: BEVGrid,
    bev2img: Tensor,  # (B, N, 4, 4)
    road2bev: Tensor,  # (B, 4, 4)
    image_size: tuple[int, int],
    stride: int,
) -> GroundPixels:
    """List the centres of `stride` x `stride` blocks below the horizon, in front of the camera and inside the grid.

    Raises:
        ValueError: the stride does not divide the image.
    """
    u, v = pixel_centers(image_size, stride, bev2img.device, torch.float64)
    # The determinant falls with the square of the focal length: invert at double precision.
    plane = torch.linalg.inv(ground_homography(bev2img, road2bev[:, None]).double())  # to (x, y, 1) / depth
    area_at_1m = torch.linalg.det(plane).abs().float()
    plane = grid.normalization(plane.device, plane.dtype) @ plane
    along_u = plane[..., 0, None] * u + plane[..., 2, None]  # (B, N, 3, w)
    along_v = plane[..., 1, None] * v  # (B, N, 3, h)
    rays = along_u.float()[..., None, :] + along_v.float()[..., None]  # (B, N, 3, h, w)
    x, y, inverse_depth = rays.movedim(2, 0)

    edge = inverse_depth * (1 + 1e-6)  # rounding must not throw out pixels on the grid's edge
    valid = (inverse_depth > MIN_INVERSE_DEPTH) & (torch.maximum(x.abs(), y.abs()) <= edge)
    counts = valid.flatten(2).sum(-1)  # (B, N)
    sample = torch.arange(len(counts), device=counts.device).repeat_interleave(counts.sum(1))
    index = valid.flatten().nonzero()[:, 0]
    x, y, inverse_depth = (component.flatten().index_select(0, index) for component in (x, y, inverse_depth))
    depth = 1 / inverse_depth
    # d(x, y)/d(u, v) of a homography M has the determinant det(M) / w^3.
    area = area_at_1m.flatten().repeat_interleave(counts.flatten()) * depth**3
    return GroundPixels(index, sample, torch.stack([x * depth, y * depth], -1), area, valid.shape)


def reproject(
    bev: Tensor,  # (B, K, H, W)
    grid: BEVGrid,
    bev2img: Tensor,  # (B, N, 4, 4)
    road2bev: Tensor,  # (B, 4, 4)
    image_size: tuple[int, int],
    stride: int,
) -> tuple[Tensor, Tensor, Tensor]:  # (B, K, N, h, w), (B, N, h, w), (B, N, h, w)
    """Read a BEV map at the road point behind every `stride`-th image pixel, differentiably.

    Convention: value (i, j) stands for the image position ((j + 0.5) stride, (i + 0.5) stride).

    Args:
        bev: logits or any other map.
        grid: range and cell size of `bev`.
        bev2img: projections into the images.
        road2bev: pose of the road frame in the BEV frame.
        image_size: height and width of the images, pixels; multiples of the stride.
        stride: distance of the pixels read.

    Returns:
        The map in the images; the ground area of one pixel in square metres; and valid: True below the horizon,
        in front of the camera and inside the grid. Values and areas that are not valid are 0.

    Source: arXiv 2602.18066, section on differentiable reprojection; for the flat road it is one homography a camera.
    """
    grid.check(bev)
    pixels = ground_pixels(grid, bev2img, road2bev, image_size, stride)

    def spread(values: Tensor) -> Tensor:  # (C, V) -> (C, B, N, h, w)
        everywhere = values.new_zeros(len(values), pixels.shape.numel())
        return everywhere.index_copy(1, pixels.index, values).unflatten(1, pixels.shape)

    valid = spread(torch.ones_like(pixels.area, dtype=torch.bool)[None])[0]
    return spread(pixels.read(bev)).transpose(0, 1), spread(pixels.area[None])[0], valid
