"""The multi-label loss of BEV maps and of reprojected maps: cross-entropy and Dice."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from ssl_bev.targets import IGNORE

from .reduction import sum_over_processes


def segmentation_loss(
    logits: Tensor,  # (B, K, ...)
    target: Tensor,  # (B, K, ...), 0, 1 or 255 = ignore; float: the probability of 1, or 255
    weight: Tensor | None = None,  # (B, 1, ...) or (B, K, ...), >= 0
    positive_weight: Tensor | None = None,  # (K,)
    dice_weight: float = 0.0,
) -> Tensor:  # ()
    """Class-balanced binary cross-entropy, averaged over labelled cells, plus Dice over the batch.

    Each class is averaged over its own labelled weight, then the classes with any labels are averaged, so that
    a class seen in few places counts as much as one seen everywhere. Dice is computed over the whole batch, for classes
    with positive labels, since a thin class is absent from many single maps.

    Returns:
        A finite scalar; 0 with a graph where nothing is labelled.

    Raises:
        ValueError: the shapes differ.
    """
    if logits.shape != target.shape:
        raise ValueError(f'target must have the shape of logits {tuple(logits.shape)}, got {tuple(target.shape)}')
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    known = target != IGNORE
    labelled = known.to(logits.dtype) if weight is None else weight.to(logits.dtype) * known
    over = [0, *range(2, logits.dim())]
    truth = (labelled * torch.where(known, target, 0)).to(logits.dtype)
    reward = truth
    if positive_weight is not None:
        reward = truth * positive_weight.to(logits).view(1, -1, *[1] * (logits.dim() - 2))
    # -reward log(p) - (labelled - truth) log(1 - p), with one softplus for both logarithms.
    cross_entropy = F.softplus(logits) * (labelled - truth + reward) - logits * reward
    terms = [cross_entropy, labelled.expand_as(truth), truth]
    if dice_weight:
        probability = logits.sigmoid()
        terms += [probability * truth, probability * labelled]
    sums = sum_over_processes(torch.stack([term.sum(over) for term in terms]))  # (terms, K)
    total, truth_sum = sums[1], sums[2]
    loss = _mean_of(sums[0] / _not_zero(total), total > 0)
    if dice_weight:
        dice = 1 - 2 * sums[3] / _not_zero(sums[4] + truth_sum)
        loss = loss + dice_weight * _mean_of(dice, truth_sum > 0)
    return loss


def _not_zero(values: Tensor) -> Tensor:
    return values.clamp(min=torch.finfo(values.dtype).tiny)


def _mean_of(values: Tensor, counted: Tensor) -> Tensor:
    return torch.where(counted, values, 0.0 * values).sum() / counted.sum().clamp(min=1)


@MODELS.register_module()
class SegmentationLoss(nn.Module):
    """Weighted binary cross-entropy and Dice, see `segmentation_loss`.

    Args:
        positive_weight: factor of positive cells, one for each class or one for all; rare classes need more
            (tools/class_weights.py proposes values).
        dice_weight: weight of the Dice term beside the cross-entropy.

    Raises:
        ValueError: a negative weight, or none.
    """

    positive_weight: Tensor

    def __init__(self, positive_weight: float | Sequence[float] = 1.0, dice_weight: float = 0.0) -> None:
        super().__init__()
        weights = torch.atleast_1d(torch.tensor(positive_weight, dtype=torch.float32))
        if not len(weights) or (weights < 0).any() or dice_weight < 0:
            raise ValueError(
                'positive_weight (at least one) and dice_weight must not be negative, got '
                f'{positive_weight} and {dice_weight}'
            )
        self.register_buffer('positive_weight', weights, persistent=False)
        self.dice_weight = dice_weight

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        if len(self.positive_weight) not in (1, logits.shape[1]):
            raise ValueError(
                f'positive_weight has {len(self.positive_weight)} values for {logits.shape[1]} classes; '
                'give one for each class, or a single one'
            )
        return segmentation_loss(logits, target, weight, self.positive_weight, self.dice_weight)
