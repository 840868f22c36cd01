"""Where the cells of a BEV grid are in the images of the cameras that see them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .bev_grid import BEVGrid
from .precision import full_precision
from .projection import MIN_DEPTH, covered_area, determinant_of, ground_homography
from .road import Road


@dataclass(frozen=True)
class VisibleCells:
    """The (camera, cell) pairs of a batch in which the image shows the cell's centre; V of them.

    Args:
        camera: flat index into (B, N), (V,), int64.
        cell: flat index into (B, H, W), (V,), int64.
        pixels: (u, v) of S points around each cell's centre on the road, (2, S, V).
        area: ground area that one pixel covers at the centre, square metres, (V,).
    """

    camera: Tensor
    cell: Tensor
    pixels: Tensor
    area: Tensor


@full_precision
@torch.no_grad()
def visible_cells(
    grid: BEVGrid,
    bev2img: Tensor,  # (B, N, 4, 4)
    road: Road | Tensor,  # (B) or (B, N), or road2bev (B, 4, 4)
    image_size: tuple[int, int],
    offsets: Tensor,  # (S, 2), metres
) -> VisibleCells:
    """Project the road under each cell into all cameras.

    Args:
        grid: the cells.
        bev2img: projections into the images.
        road: the ground of each sample, or of each camera if the cameras are of several times.
        image_size: height and width of the images, pixels.
        offsets: (x, y) of the points around each cell's centre; between them, the ground is assumed to be even.
    """
    road = Road.of(road)
    if road.road2bev.dim() == 3:
        road = road[:, None]
    homography = ground_homography(bev2img, road.road2bev)  # (B, N, 3, 3), from (x, y, 1) to (u d, v d, d)
    cameras = homography.shape[1]
    centers = grid.cell_centers(homography.device, homography.dtype)
    along_x = homography[..., 0, None] * centers[0, :, 0] + homography[..., 2, None]  # (B, N, 3, W)
    along_y = homography[..., 1, None] * centers[:, 0, 1]  # (B, N, 3, H)
    projected = along_x[..., None, :] + along_y[..., None]  # (B, N, 3, H, W)
    if not road.is_plane:
        rise = road.rise(centers.flatten(0, 1)).unflatten(-1, grid.shape)  # (B, 1 or N, H, W)
        projected = projected + bev2img[..., :3, 2, None, None] * rise[:, :, None]
    u, v, depth = projected.unbind(2)
    height, width = image_size
    inside = (u >= 0) & (u <= width * depth) & (v >= 0) & (v <= height * depth)
    index = (inside & (depth > MIN_DEPTH)).flatten().nonzero()[:, 0]

    num_cells = grid.shape[0] * grid.shape[1]
    camera = index.div(num_cells, rounding_mode='floor')
    cell = camera.div(cameras, rounding_mode='floor') * num_cells + index % num_cells
    u, v, depth = (part.flatten().index_select(0, index) for part in (u, v, depth))
    # A step on the ground is a step in the homogeneous pixel; on a plane it is the same everywhere in one image.
    if road.is_plane:
        steps = (homography[..., :2] @ offsets.to(homography).mT).flatten(0, 1)  # (B N, 3, S)
        du, dv, dd = (part.mT.index_select(1, camera) for part in steps.unbind(1))  # (S, V)
        # d(u, v)/d(x, y) of a homography M has the determinant det(M) / d^3; it grows with the square of the focal
        # length.
        area = depth**3 / determinant_of(homography).abs().flatten().index_select(0, camera)
    else:
        slope = road.slope(centers.flatten(0, 1)).expand(*homography.shape[:2], -1, -1).flatten(0, 2)[index]  # (V, 2)
        up = bev2img[..., :3, 2].flatten(0, 1)[camera]  # (V, 3)
        steps = homography[..., :2].flatten(0, 1)[camera] + up[..., None] * slope[:, None]  # (V, 3, 2)
        du, dv, dd = torch.einsum('vij,sj->isv', steps, offsets.to(steps))  # (S, V)
        area = covered_area(steps, torch.stack([u, v, depth], -1))
    near = (depth + dd).clamp(min=MIN_DEPTH)
    pixels = torch.stack([u + du, v + dv]).div_(near)
    return VisibleCells(camera, cell, pixels, area)
