"""Agreement of the maps of two frames once ego motion is undone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from ssl_bev.geometry import BEVGrid, warp_bev


def temporal_consistency_loss(
    logits: Tensor,  # (B, K, H, W), current frame
    earlier_logits: Tensor,  # (B, K, H, W), in its own BEV frame
    grid: BEVGrid,
    current2earlier: Tensor,  # (B, 4, 4)
    observed: Tensor,  # (B, H, W) bool
    earlier_observed: Tensor,  # (B, H, W) bool
    pair_valid: Tensor | None = None,  # (B,) bool
    min_confidence: float = 0.0,
    max_contrast: float = 1.0,
) -> Tensor:  # ()
    """Squared difference of class probabilities where both frames observe the ground.

    Cell by cell and class by class the more confident frame teaches the other: no gradient flows into it, so the
    cheap way out, both drifting to "unknown", is closed. The teacher must be confident enough (`min_confidence` on
    |2 p - 1|), and the cell must lie away from the class edges of both frames (`max_contrast` on the spread of p
    within 3x3 cells), where half a cell of misalignment would otherwise blur thin markings.

    Returns:
        The mean over counted cells; 0 with a graph where none counts.
    """
    warped, inside = warp_bev(earlier_logits, grid, current2earlier)
    seen_earlier, _ = warp_bev(earlier_observed[:, None].to(warped.dtype), grid, current2earlier, mode='nearest')
    counted = inside & observed & (seen_earlier[:, 0] > 0.5)
    if pair_valid is not None:
        counted = counted & pair_valid[:, None, None]

    now, before = logits.sigmoid(), warped.sigmoid()
    now_teaches = (now.detach() - 0.5).abs() >= (before.detach() - 0.5).abs()
    teacher = torch.where(now_teaches, now, before).detach()
    student = torch.where(now_teaches, before, now)

    gate = counted[:, None] & ((2 * teacher - 1).abs() >= min_confidence)
    if max_contrast < 1:
        for frame in (now.detach(), before.detach()):
            spread = F.max_pool2d(frame, 3, 1, 1) + F.max_pool2d(-frame, 3, 1, 1)
            gate = gate & (spread <= max_contrast)
    squared = torch.where(gate, (student - teacher).square(), 0.0 * student)
    return squared.sum() / gate.sum().clamp(min=1)


@MODELS.register_module()
class TemporalConsistencyLoss(nn.Module):
    """Gated agreement of neighbouring frames, see `temporal_consistency_loss`.

    Source: the temporal loss of arXiv 2602.18066; the gates against its over-smoothing are ours.

    Args:
        min_confidence: the teaching frame's |2 p - 1| must reach this, 0 ... 1. 0 switches the gate off.
        max_contrast: the spread of p within 3x3 cells may be at most this in both frames. 1 switches it off.
    """

    def __init__(self, min_confidence: float = 0.5, max_contrast: float = 0.5) -> None:
        super().__init__()
        for name, value in (('min_confidence', min_confidence), ('max_contrast', max_contrast)):
            if not 0 <= value <= 1:
                raise ValueError(f'{name} must lie in 0 ... 1, got {value}')
        self.min_confidence = min_confidence
        self.max_contrast = max_contrast

    def forward(self, *args: Tensor, **kwargs: Tensor) -> Tensor:
        """The arguments of `temporal_consistency_loss`, without its thresholds."""
        return temporal_consistency_loss(
            *args, min_confidence=self.min_confidence, max_contrast=self.max_contrast, **kwargs
        )
