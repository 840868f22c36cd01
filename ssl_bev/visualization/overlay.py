"""The BEV prediction projected into a camera image."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ssl_bev.geometry import BEVGrid, Road, reproject
from ssl_bev.visualization.bev_image import opacity
from ssl_bev.visualization.palette import AREA, class_styles, paint

AREA_STRENGTH = 0.40
LINE_STRENGTH = 0.70


def reproject_to_image(
    probabilities: Tensor,  # (K, H, W)
    grid: BEVGrid,
    bev2img: Tensor,  # (4, 4)
    road: Road | Tensor,  # of one frame, or road2bev (4, 4)
    image_size: tuple[int, int],  # height, width
) -> tuple[Tensor, Tensor]:
    """Sample the BEV map where the ray of each pixel meets the road.

    Convention: the centre of the top-left pixel is (0.5, 0.5).

    Returns:
        Probabilities (K, height, width), zero outside `valid`; and `valid` (height, width) bool, True where the pixel
        is below the horizon and its point on the road lies inside the grid.
    """
    bev2img = bev2img.detach().cpu().double()
    sampled, _, valid = reproject(
        probabilities.detach().cpu().float()[None],
        grid,
        bev2img[None, None],
        Road.of(road).to(bev2img)[None],
        image_size,
        stride=1,
    )
    return sampled[0, :, 0], valid[0, 0]


def draw_overlay(
    image: np.ndarray,  # (h, w, 3) BGR
    probabilities: Tensor,  # (K, H, W)
    classes: Sequence[str],
    grid: BEVGrid,
    bev2img: Tensor,  # (4, 4)
    road: Road | Tensor,  # of one frame, or road2bev (4, 4)
) -> np.ndarray:
    """Blend the reprojected prediction over a camera image.

    Returns:
        (h, w, 3) uint8 BGR; pixels above the horizon or outside the grid are those of `image`.
    """
    sampled, valid = reproject_to_image(probabilities, grid, bev2img, road, image.shape[:2])
    strongest = np.array([AREA_STRENGTH if style.layer == AREA else LINE_STRENGTH for style in class_styles(classes)])
    strength = opacity(sampled.numpy()) * strongest[:, None, None]
    painted = paint(image, strength, classes)
    inside = valid.numpy()
    edge = inside & ~(np.roll(inside, 1, 0) & np.roll(inside, -1, 0))
    edge[[0, -1]] = False
    painted[edge] = (0.5 * painted[edge] + 110).astype(np.uint8)
    return painted
