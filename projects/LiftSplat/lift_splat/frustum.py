"""The BEV cell of each pixel of a feature map at each depth."""

from __future__ import annotations

import torch
from torch import Tensor

from ssl_bev.geometry import BEVGrid, height_over_road, pixel_rays
from ssl_bev.structures import CameraRig


def bin_depths(
    depth_range: tuple[float, float, float],
    device: torch.device | str | None = None,
) -> Tensor:  # (D,), metres
    """The middle of each depth bin of (near, far, step).

    Raises:
        ValueError: near, far and step that do not rise from above zero by whole steps.
    """
    near, far, step = depth_range
    if not (0 < near < far and step > 0):
        raise ValueError(f'depth_range must be (near, far, step) with 0 < near < far and step > 0, got {depth_range}')
    bins = (far - near) / step
    if abs(bins - round(bins)) > 1e-6 * bins:
        raise ValueError(f'depth_range {depth_range} (near, far, step) is {bins:.4f} steps long, it must be whole')
    return near + (torch.arange(round(bins), device=device) + 0.5) * step


def feature_pixels(
    feature_shape: tuple[int, int],
    image_size: tuple[int, int],
    device: torch.device | str | None = None,
) -> Tensor:  # (h * w, 2), pixels
    """The (u, v) of the centres of a map's values, row-major, where the map covers the image."""
    sizes = zip(feature_shape, image_size, strict=True)
    v, u = ((torch.arange(cells, device=device) + 0.5) * (pixels / cells) for cells, pixels in sizes)
    return torch.stack(torch.meshgrid(u, v, indexing='xy'), -1).flatten(0, 1)


@torch.no_grad()
def frustum_cells(
    grid: BEVGrid,
    z_range: tuple[float, float],
    rig: CameraRig,
    pixels: Tensor,  # (P, 2)
    depths: Tensor,  # (D,), metres
) -> Tensor:  # (D, B, N, P), int64
    """Row-major index of the cell above or below each pixel's point at each depth, in float32.

    It is H * W, one beyond the last cell, for points outside the grid or `z_range`, for pixels in the
    padding, and for missing cameras.

    Args:
        grid: the cells.
        z_range: lowest and highest height above the road, metres.
        rig: of one frame.
        pixels: (u, v) in the images of `rig.bev2img`.
        depths: along the optical axis.
    """
    origin, directions = pixel_rays(pixels, rig.bev2img.float())
    points = origin + depths[:, None, None, None, None] * directions
    height = height_over_road(points, rig.road.to(points)[:, None])
    picture_height, picture_width = rig.image_size
    counts = (height >= z_range[0]) & (height <= z_range[1])
    counts &= (pixels[:, 0] <= picture_width) & (pixels[:, 1] <= picture_height)
    counts &= rig.camera_valid[..., None]
    rows, columns = grid.shape
    return torch.where(counts, grid.cell_index(points[..., :2]), rows * columns)
