"""All cameras of a frame projected onto the ground, where a wrong calibration shows as steps along the seams."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from ssl_bev.geometry import BEVGrid, Road, lift_to_road, project_points


def ground_mosaic(
    images: Sequence[np.ndarray],  # N of (h, w, 3), of any sizes
    bev2img: Tensor,  # (N, 4, 4)
    road: Road | Tensor,  # of one frame, or road2bev (4, 4)
    grid: BEVGrid,
) -> tuple[np.ndarray, np.ndarray]:  # (H, W, 3) uint8, (H, W) int
    """The ground in the image of the nearest camera that sees it.

    Returns:
        colours in the order of BEV tensors, and the camera of each; -1 and grey where no camera sees the ground.
    """
    bev2img = bev2img.double()
    xy = grid.cell_centers(dtype=torch.float64).flatten(0, 1)
    points = lift_to_road(xy, Road.of(road).to(xy))
    mosaic = np.full((len(xy), 3), 120, np.uint8)
    nearest, camera = np.full(len(xy), np.inf), np.full(len(xy), -1)
    for n, image in enumerate(images):
        pixels, _, visible = project_points(points, bev2img[n], image.shape[:2])
        position = -torch.linalg.solve(bev2img[n, :3, :3], bev2img[n, :3, 3])
        distance = (points - position).norm(dim=-1).numpy()
        better = visible.numpy() & (distance < nearest)
        # All cells at once: OpenCV takes at most 2^15 columns. Centres of its pixels are whole numbers.
        places = np.where(better[:, None], pixels.numpy() - 0.5, 0).astype(np.float32).reshape(*grid.shape, 2)
        colours = cv2.remap(image, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mosaic[better] = colours.reshape(-1, 3)[better]
        nearest[better], camera[better] = distance[better], n
    return mosaic.reshape(*grid.shape, 3), camera.reshape(grid.shape)
