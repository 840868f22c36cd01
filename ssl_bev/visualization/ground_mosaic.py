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
        u, v = (pixels.numpy()[better] - 0.5).astype(np.float32).T
        # OpenCV takes at most 2^15 columns.
        parts = zip(np.array_split(u, len(u) // 30000 + 1), np.array_split(v, len(v) // 30000 + 1), strict=True)
        colours = [
            cv2.remap(image, a[None], b[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for a, b in parts
        ]
        mosaic[better] = np.concatenate(colours, 1)[0] if len(u) else 0
        nearest[better], camera[better] = distance[better], n
    return mosaic.reshape(*grid.shape, 3), camera.reshape(grid.shape)


def _read(image: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:  # (h, w, 3), (P,), (P,) -> (P, 3)
    """Interpolated colours; centres of pixels are whole numbers."""
    parts = -(-len(u) // 2**14)  # OpenCV takes at most 2^15 columns
    pairs = zip(np.array_split(u, parts), np.array_split(v, parts), strict=True)
    read = (cv2.remap(image, a[None], b[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for a, b in pairs)
    return np.concatenate(list(read), 1)[0]
