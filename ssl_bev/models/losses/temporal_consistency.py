"""Agreement of the maps of two frames after ego motion is compensated."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_bev.geometry import BEVGrid, Road, warp_bev

from .reduction import sum_over_processes


def temporal_consistency_loss(
    logits: Tensor,  # (B, K, H, W), current frame
    earlier_logits: Tensor,  # (B, K, H, W), in its own BEV frame
    grid: BEVGrid,
    current2earlier: Tensor,  # (B, 4, 4)
    observed: Tensor,  # (B, H, W) bool
    earlier_observed: Tensor,  # (B, H, W) bool
    pair_valid: Tensor | None = None,  # (B,) bool
    *,
    min_confidence: float = 0.0,
    max_contrast: float = 1.0,
    road: Road | None = None,
) -> Tensor:  # ()
    """Squared difference of class probabilities where both frames observe the ground.

    For each cell and class, the more certain frame is the target: no gradient flows into it, so both frames cannot
    simply drift to "unknown". It must be certain enough (`min_confidence` on |2 p - 1|), and the cell must not lie at a
    class edge of either frame (`max_contrast` on the range of p
    within 3x3 cells), where a misalignment of half a cell would blur
    thin markings.

    Args:
        road: the ground of the current frame, if known; see `warp_bev`.

    Returns:
        The mean over counted cells of all processes; 0 with a graph if none counts.
    """
    warped, inside = warp_bev(earlier_logits, grid, current2earlier, road=road)
    observed_then = earlier_observed[:, None].to(warped.dtype)
    seen_earlier, _ = warp_bev(observed_then, grid, current2earlier, 'nearest', road)
    counted = inside & observed & (seen_earlier[:, 0] > 0.5)
    if pair_valid is not None:
        counted = counted & pair_valid[:, None, None]

    now, before = logits.float().sigmoid(), warped.float().sigmoid()
    now_surer = (now.detach() - 0.5).abs() >= (before.detach() - 0.5).abs()
    surer = torch.where(now_surer, now, before).detach()
    other = torch.where(now_surer, before, now)

    gate = counted[:, None] & ((2 * surer - 1).abs() >= min_confidence)
    if max_contrast < 1:
        for frame in (now.detach(), before.detach()):
            gate = gate & (_spread(frame) <= max_contrast)
    squared = torch.where(gate, (other - surer).square(), 0.0 * other)
    total, count = sum_over_processes(torch.stack([squared.sum(), gate.sum().to(squared.dtype)]))
    return total / count.clamp(min=1)


def _spread(
    maps: Tensor,  # (B, K, H, W)
) -> Tensor:  # (B, K, H, W)
    """The largest minus the smallest value within 3x3 cells. On a CPU, max pooling takes five times as long."""
    padded = F.pad(maps, (1, 1, 1, 1), mode='replicate')
    highest = padded.unfold(2, 3, 1).amax(-1).unfold(3, 3, 1).amax(-1)
    lowest = padded.unfold(2, 3, 1).amin(-1).unfold(3, 3, 1).amin(-1)
    return highest - lowest
