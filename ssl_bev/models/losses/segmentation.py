"""The multi-label loss of BEV maps and of reprojected maps: weighted binary cross-entropy and Dice."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from torch import Tensor, nn

IGNORE = 255


def segmentation_loss(
    logits: Tensor,  # (B, K, ...)
    target: Tensor,  # (B, K, ...), 0, 1 or 255 = ignore; float: the probability of 1
    weight: Tensor | None = None,  # (B, 1, ...) or (B, K, ...), >= 0
    positive_weight: Tensor | None = None,  # (K,)
    dice_weight: float = 0.0,
) -> Tensor:  # ()
    """Class-balanced binary cross-entropy, averaged over what is labelled, plus Dice over the batch.

    Each class is averaged over its own labelled weight, then the classes with any labels are averaged, so that
    a class seen in few places counts as much as one seen everywhere. Dice is taken over the whole batch, for classes
    with positive labels: a thin class is absent from many a single map.

    Returns:
        A finite scalar; 0 with a graph where nothing is labelled.

    Raises:
        ValueError: the shapes differ.
    """
    if logits.shape != target.shape:
        raise ValueError(f'target must have the shape of logits {tuple(logits.shape)}, got {tuple(target.shape)}')
    labelled = (target != IGNORE).to(logits.dtype)
    if weight is not None:
        labelled = labelled * weight
    positive = torch.where(target != IGNORE, target, 0).to(logits.dtype)
    over = [0, *range(2, logits.dim())]
    if positive_weight is not None:
        shape = (1, -1) + (1,) * (logits.dim() - 2)
        positive_weight = positive_weight.to(logits).view(shape)
    cross_entropy = F.binary_cross_entropy_with_logits(
        logits, positive, weight=labelled, pos_weight=positive_weight, reduction='none'
    )
    total = labelled.sum(over)  # (K,)
    per_class = cross_entropy.sum(over) / total.clamp(min=torch.finfo(total.dtype).tiny)
    loss = _mean_of(per_class, total > 0)
    if dice_weight:
        probability = logits.sigmoid() * labelled
        truth = positive * labelled
        overlap = (probability * positive).sum(over)
        size = probability.sum(over) + truth.sum(over)
        dice = 1 - 2 * overlap / size.clamp(min=torch.finfo(size.dtype).tiny)
        loss = loss + dice_weight * _mean_of(dice, truth.sum(over) > 0)
    return loss


def _mean_of(values: Tensor, counted: Tensor) -> Tensor:
    return torch.where(counted, values, 0.0 * values).sum() / counted.sum().clamp(min=1)


@MODELS.register_module()
class SegmentationLoss(nn.Module):
    """Weighted binary cross-entropy and Dice, see `segmentation_loss`.

    Args:
        positive_weight: factor of positive cells, one for each class or one for all; rare classes want more.
        dice_weight: weight of the Dice term beside the cross-entropy.
    """

    def __init__(self, positive_weight: float | Sequence[float] = 1.0, dice_weight: float = 0.0) -> None:
        super().__init__()
        self.register_buffer('positive_weight', torch.atleast_1d(torch.tensor(positive_weight)), persistent=False)
        self.dice_weight = dice_weight

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        if len(self.positive_weight) not in (1, logits.shape[1]):
            raise ValueError(
                f'positive_weight has {len(self.positive_weight)} values for {logits.shape[1]} classes; '
                'give one for each class, or a single one'
            )
        return segmentation_loss(logits, target, weight, self.positive_weight, self.dice_weight)
