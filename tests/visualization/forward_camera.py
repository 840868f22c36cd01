"""A camera whose pixels are worked out by hand.

It stands 1.5 m above the road at the ego origin and looks along x:

    u = 80 - 100 y / x        v = 40 + 100 * 1.5 / x        (image 80 high, 160 wide; horizon at v = 40)
"""

import torch

from ssl_bev.geometry import BEVGrid

IMAGE_SIZE = (80, 160)
GRID = BEVGrid((-20, 20), (-10, 10), 0.25)
ROAD2BEV = torch.eye(4)
BEV2IMG = torch.tensor(
    [[80.0, -100.0, 0.0, 0.0], [40.0, 0.0, -100.0, 150.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)


def bev_rectangle(x: tuple[float, float], y: tuple[float, float]) -> torch.Tensor:
    """A map (1, H, W) of ones inside a rectangle of the road."""
    centers = GRID.cell_centers()
    inside = (centers[..., 0] > x[0]) & (centers[..., 0] < x[1]) & (centers[..., 1] > y[0]) & (centers[..., 1] < y[1])
    return inside.float()[None]
