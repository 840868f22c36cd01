"""Points at given heights over the road, above the cells of a BEV grid."""

from __future__ import annotations

import torch
from torch import Tensor

from .bev_grid import BEVGrid
from .road import Road, lift_to_road


def points_over_road(
    grid: BEVGrid,
    heights: Tensor,  # (D,), metres
    road: Road | Tensor | None = None,  # (B), or road2bev (B, 4, 4)
) -> Tensor:  # (B or 1, Q, D, 3), metres in the BEV frame
    """Points above each cell's centre, cells in row-major order.

    Convention: heights are measured from the ground along z of the BEV frame, or from z = 0 if `road` is None.
    """
    xy = grid.cell_centers(heights.device).flatten(0, 1)
    base = xy.new_zeros(1, len(xy), 1) if road is None else lift_to_road(xy, Road.of(road).to(xy))[..., 2:]
    z = base + heights
    return torch.cat([xy[None, :, None].expand(*z.shape, 2), z[..., None]], -1)
