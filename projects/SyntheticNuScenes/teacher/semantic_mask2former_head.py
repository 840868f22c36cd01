"""The head of Mask2Former with one query per class, and a loss on the combined scores of its masks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.ops import point_sample
from mmseg.models.decode_heads import Mask2FormerHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor


@MODELS.register_module()
class SemanticMask2FormerHead(Mask2FormerHead):
    """Trains each query for one class, with a loss on the combined scores of all queries at a pixel.

    In training from scratch, Hungarian matching changes from step to step, and with separate losses of each mask the
    road covers its paint for many steps. Here query k learns whether class k is in the image, and the masks learn from
    the cross entropy and the Dice of the combined scores, after every decoder layer. Weights and predictions are those
    of `Mask2FormerHead`. Fixed matching: MaskFormer (arXiv 2107.06278), appendix.

    As in Mask2Former, the losses are computed at random points, and an absent class has a tenth of the weight of a
    present one. Points on paint are drawn more often, with correspondingly lower weight.

    Args:
        pixel_weight: of each class in the cross entropy; as many as `num_queries`.
        pixel_odds: factor on the frequency with which a class is drawn.
        num_points: to draw in each image.

    Raises:
        ValueError: the numbers of queries, classes, weights and odds differ.
    """

    def __init__(
        self, pixel_weight: Sequence[float], pixel_odds: Sequence[float], num_points: int = 3072, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        numbers = dict(
            num_queries=self.num_queries,
            num_classes=self.num_classes,
            pixel_weight=len(pixel_weight),
            pixel_odds=len(pixel_odds),
        )
        if len(set(numbers.values())) > 1:
            raise ValueError(f'there must be a query, a weight and odds for each class, got {numbers}')
        self.register_buffer('pixel_weight', torch.tensor(pixel_weight), persistent=False)
        self.register_buffer('pixel_odds', torch.tensor(pixel_odds), persistent=False)
        presence_weight = torch.cat([torch.ones(self.num_classes), torch.tensor([0.1])])
        self.register_buffer('presence_weight', presence_weight, persistent=False)
        self.num_points = num_points

    def loss(
        self, x: tuple[Tensor, ...], batch_data_samples: list[SegDataSample], train_cfg: dict
    ) -> dict[str, Tensor]:
        """`loss_class`, `loss_pixel`, `loss_dice` of the last decoder layer; `d{i}.loss_*` of those before."""
        labels = torch.cat([sample.gt_sem_seg.data for sample in batch_data_samples])
        targets = self.draw_points(labels)
        losses, layers = {}, list(zip(*self(x, batch_data_samples), strict=True))
        for number, (class_logits, mask_logits) in enumerate(layers):
            prefix = '' if number == len(layers) - 1 else f'd{number}.'
            for name, value in self.layer_loss(class_logits.float(), mask_logits.float(), *targets).items():
                losses[prefix + name] = value
        return losses

    def draw_points(self, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Points of (B, H, W) labels.

        Returns:
            Positions (B, P, 2) as (x, y) in 0 ... 1, classes (B, P), weights (B, P), and which classes each image
            shows (B, K).
        """
        height, width = labels.shape[1:]
        labels = labels.flatten(1)
        odds = F.pad(self.pixel_odds, (0, 256 - self.num_classes))[labels]
        # An image without labels has points of no weight.
        drawn = torch.multinomial(odds + 1e-9, self.num_points, replacement=True)
        positions = torch.stack([(drawn % width + 0.5) / width, (drawn // width + 0.5) / height], -1)
        classes = labels.gather(1, drawn)
        known = classes < self.num_classes
        classes = torch.where(known, classes, 0)
        weights = known * odds.mean(1, keepdim=True) / self.pixel_odds[classes]
        shown = torch.zeros(len(labels), 256, dtype=torch.bool, device=labels.device).scatter_(1, labels, True)
        return positions, classes, weights, shown[:, : self.num_classes]

    def layer_loss(
        self,
        class_logits: Tensor,  # (B, K, K + 1), the last one is "no object"
        mask_logits: Tensor,  # (B, K, h, w)
        positions: Tensor,
        classes: Tensor,
        weights: Tensor,
        shown: Tensor,
    ) -> dict[str, Tensor]:
        """The losses of one decoder layer at points that `draw_points` drew."""
        own = torch.arange(self.num_queries, device=shown.device)
        masks = point_sample(mask_logits, positions, padding_mode='border').sigmoid()  # (B, K, P)
        scores = class_logits.softmax(-1)[..., :-1].mT @ masks + 1e-6
        probability = scores / scores.sum(1, keepdim=True)
        entropy = F.nll_loss(probability.log(), classes, self.pixel_weight, reduction='none')
        truth = F.one_hot(classes, self.num_classes).mT * weights[:, None]
        overlap, size = (probability * truth).sum((0, 2)), truth.sum((0, 2))
        dice = 1 - 2 * overlap / ((probability * weights[:, None]).sum((0, 2)) + size + 1)
        return dict(
            loss_class=F.cross_entropy(
                class_logits.mT, torch.where(shown, own, self.num_classes), self.presence_weight
            ),
            loss_pixel=(entropy * weights).sum() / weights.sum().clamp(min=1),
            loss_dice=(dice * (size > 0)).sum() / (size > 0).sum().clamp(min=1),
        )
