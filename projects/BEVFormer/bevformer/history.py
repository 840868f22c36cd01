"""What one frame leaves to the next, and where it lies in the next one's BEV."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ssl_bev.geometry import BEVGrid, Road, warp_bev


@dataclass(frozen=True)
class BEVFormerState:
    """What one frame leaves to the next: BEV features (B, C, H, W) and the poses (B, 4, 4) of their frames."""

    bev: Tensor
    bev2global: Tensor


def align_history(
    history: Tensor,  # (B, C, H, W)
    current2history: Tensor | None,  # (B, 4, 4)
    query: Tensor,  # (B, Q, C)
    grid: BEVGrid,
    road: Road | Tensor | None,
) -> Tensor:  # (B, Q, C)
    """The history in the current BEV frame; cells that come from outside of it take the queries in its place."""
    aligned = history.to(query.dtype)
    if current2history is None:
        return aligned.flatten(2).transpose(1, 2)
    aligned, valid = warp_bev(aligned, grid, current2history, road=road if isinstance(road, Road) else None)
    return torch.where(valid.flatten(1)[..., None], aligned.flatten(2).transpose(1, 2), query)
