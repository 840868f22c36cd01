"""Pinhole projection between the BEV frame, the road plane and image pixels.

Convention: the centre of the top-left pixel is (0.5, 0.5), so u runs over [0, width] and v over [0, height].
`bev2img = cam2img @ lidar2cam @ inv(lidar2bev)`; its third row is the depth along the optical axis, in metres.
See docs/conventions.md.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import full_precision
from .transforms import invert_rigid

MIN_DEPTH = 0.1
MIN_INVERSE_DEPTH = 1e-4  # of a pixel's ray: nearer than 10 km, and not behind


@full_precision
def project_points(
    points: Tensor,  # (..., P, 3), metres in the BEV frame
    bev2img: Tensor,  # (..., 4, 4)
    image_size: tuple[int, int],
) -> tuple[Tensor, Tensor, Tensor]:  # (..., P, 2), (..., P), (..., P)
    """Project 3-D points into images.

    Args:
        points: batch dimensions broadcast against those of `bev2img`.
        bev2img: projections that include the image augmentation.
        image_size: height and width in pixels.

    Returns:
        pixels (u, v), depth in metres, and visible: True in front of the camera and inside the image.
        Pixels of points that are not in front of the camera are finite but meaningless.
    """
    _check(points, 3, 'points')
    homogeneous = points @ bev2img[..., :3, :3].mT + bev2img[..., None, :3, 3]
    depth = homogeneous[..., 2]
    in_front = depth > MIN_DEPTH
    pixels = homogeneous[..., :2] / torch.where(in_front, depth, 1.0)[..., None]
    height, width = image_size
    u, v = pixels.unbind(-1)
    visible = in_front & (u >= 0) & (u <= width) & (v >= 0) & (v <= height)
    return pixels, depth, visible


@full_precision
def pixel_rays(
    pixels: Tensor,  # (P, 2)
    bev2img: Tensor,  # (..., 4, 4)
) -> tuple[Tensor, Tensor]:  # (..., 1, 3), (..., P, 3)
    """The lines of sight of pixels: the point at depth d is `origin + d * direction`, metres in the BEV frame.

    If a projection cannot be inverted, such as that of a missing camera, the values are meaningless.
    """
    _check(pixels, 2, 'pixels')
    # Double precision, as pixels and metres differ by a factor of a thousand; inv_ex does not wait for the GPU.
    inverse = torch.linalg.inv_ex(bev2img[..., :3, :3].double()).inverse
    origin = -(inverse @ bev2img[..., :3, 3:].double()).mT
    inverse = inverse.to(pixels.dtype)
    return origin.to(pixels.dtype), pixels @ inverse[..., :2].mT + inverse[..., None, :, 2]


def ground_lift(
    road2bev: Tensor,  # (..., 4, 4)
) -> Tensor:  # (..., 4, 3)
    """The linear map from (x, y, 1) in the BEV plane to the homogeneous point of the road above or below it.

    `road2bev` is the pose of the road frame, whose plane z = 0 is the road. If the BEV frame is the ego frame,
    it is the identity; in the lidar frame it is `inv(lidar2ego)`, 1.84 m lower and slightly tilted.
    """
    bev2road = invert_rigid(road2bev)
    a, b, c, d = bev2road[..., 2, :].unbind(-1)  # the road is where a x + b y + c z + d = 0
    lift = torch.zeros(*road2bev.shape[:-2], 4, 3, dtype=road2bev.dtype, device=road2bev.device)
    lift[..., 0, 0] = lift[..., 1, 1] = lift[..., 3, 2] = 1
    lift[..., 2, :] = torch.stack([-a / c, -b / c, -d / c], -1)
    return lift


@full_precision
def ground_homography(
    bev2img: Tensor,  # (..., 4, 4)
    road2bev: Tensor,  # (..., 4, 4)
) -> Tensor:  # (..., 3, 3)
    """The homography from the BEV plane's (x, y, 1) to pixels, over the road plane; its third row is the depth."""
    return bev2img[..., :3, :] @ ground_lift(road2bev)


def covered_area(
    steps: Tensor,  # (..., 3, 2), of the homogeneous pixel for a metre along x and along y on the ground
    projected: Tensor,  # (..., 3), the homogeneous pixel
) -> Tensor:  # (...), square metres
    """The ground area that one square pixel covers, for any slope of the ground."""
    depth = projected[..., 2]
    # d(u, v)/d(x, y) of a homography M has the determinant det(M) / d^3, and M (x, y, 1) may stand for its last column.
    determinant = determinant_of(torch.cat([steps, projected[..., None]], -1)).abs()
    return depth**3 / determinant.clamp(min=torch.finfo(depth.dtype).tiny)


def determinant_of(
    matrix: Tensor,  # (..., 3, 3)
) -> Tensor:  # (...)
    """The determinant in double precision; unlike `torch.linalg.det`, it needs no GPU solver."""
    first, second, third = matrix.double().unbind(-1)
    return (torch.linalg.cross(first, second) * third).sum(-1).to(matrix.dtype)


def pixel_grid(
    image_size: tuple[int, int],
    stride: int = 1,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:  # (h, w, 2), pixels
    """The (u, v) of the centres of `stride` x `stride` blocks of pixels.

    Raises:
        ValueError: the stride does not divide the image.
    """
    height, width = image_size
    if height % stride or width % stride:
        raise ValueError(f'stride {stride} must divide the image size (height, width) = {(height, width)}')
    u, v = ((torch.arange(n // stride, device=device, dtype=dtype) + 0.5) * stride for n in (width, height))
    return torch.stack(torch.meshgrid(u, v, indexing='xy'), -1)


@full_precision
def pixels_to_ground(
    pixels: Tensor,  # (..., P, 2)
    homography: Tensor,  # (..., 3, 3), BEV plane to pixels
) -> tuple[Tensor, Tensor, Tensor]:  # (..., P, 2), (..., P), (..., P)
    """Intersect pixel rays with the road.

    Returns:
        xy in metres; the ground area in square metres that one square pixel covers there; and valid: True where
        the ray meets the road in front of the camera, that is below the horizon. The others are zero.
    """
    _check(pixels, 2, 'pixels')
    # The determinant falls with the square of the focal length: invert at double precision.
    # inv_ex does not wait for the GPU.
    inverse = torch.linalg.inv_ex(homography.double()).inverse.to(pixels.dtype)
    rays = pixels @ inverse[..., :2].mT + inverse[..., None, :, 2]  # (x, y, 1) / depth
    inverse_depth = rays[..., 2]
    valid = inverse_depth > MIN_INVERSE_DEPTH
    depth = 1 / torch.where(valid, inverse_depth, 1.0)
    xy = torch.where(valid[..., None], rays[..., :2] * depth[..., None], 0.0)
    # d(x, y)/d(u, v) of a homography M has the determinant det(M) / w^3.
    area = torch.where(valid, determinant_of(inverse).abs()[..., None] * depth**3, 0.0)
    return xy, area, valid


def _check(points: Tensor, size: int, name: str) -> None:
    if points.shape[-1] != size:
        raise ValueError(f'{name} must have the shape (..., P, {size}), got {tuple(points.shape)}')
