"""From the values of a network at a pixel to its class and the probability of that class.

Each decision takes values (B, C, R, W) at image resolution and gives class ids and probabilities, both (B, R, W).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Decision = Callable[[Tensor], tuple[Tensor, Tensor]]


def by_logits(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The values are logits (B, K, R, W), as from ordinary heads: softmax."""
    best, ids = logits.max(1)
    return ids, (logits - best[:, None]).exp_().sum(1).reciprocal_()


def by_scores(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The values are scores >= 0 (B, K, R, W), no logits: the fraction of each class in their sum."""
    best, ids = scores.max(1)
    return ids, best / scores.sum(1).clamp_min_(torch.finfo(scores.dtype).tiny)


def by_queries(class_logits: Tensor) -> Decision:  # (B, Q, K + 1), the last one is "no object"
    """The values are mask logits (B, Q, R, W) of queries, as from MaskFormer and Mask2Former.

    The score of a class is the sum over queries of softmax(class) * sigmoid(mask) (Cheng et al., "Per-Pixel
    Classification is Not All You Need for Semantic Segmentation", 2021, section 3.4). A softmax over such scores would
    flatten them: a score of 0.9 among 65 classes would become 0.04.
    """
    weights = class_logits.softmax(-1)[..., :-1].mT.contiguous()  # (B, K, Q)

    def decide(masks: Tensor) -> tuple[Tensor, Tensor]:
        scores = weights @ masks.sigmoid().flatten(2)
        return by_scores(scores.unflatten(2, masks.shape[2:]))

    return decide


def by_threshold(threshold: float) -> Decision:
    """The values are logits (B, 1, R, W) of class 1 against class 0: sigmoid."""

    def decide(logits: Tensor) -> tuple[Tensor, Tensor]:
        probability = logits[:, 0].sigmoid()
        ids = (probability > threshold).long()
        return ids, torch.where(ids == 1, probability, 1 - probability)

    return decide
