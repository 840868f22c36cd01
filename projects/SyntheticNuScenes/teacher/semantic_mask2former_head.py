"""Mask2Former's head with a loss on what its masks amount to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.models.decode_heads import Mask2FormerHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor


@MODELS.register_module()
class SemanticMask2FormerHead(Mask2FormerHead):
    """Adds the cross entropy of the combined scores, so that classes compete for a pixel.

    Mask and Dice losses look at each mask alone: from scratch, the road keeps its paint for long. Weights and
    predictions are those of `Mask2FormerHead`.

    Args:
        semantic_class_weight: of each class in the cross entropy.
        semantic_weight: of the cross entropy among the losses.
    """

    def __init__(self, semantic_class_weight: Sequence[float], semantic_weight: float = 5.0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.register_buffer('semantic_class_weight', torch.tensor(semantic_class_weight), persistent=False)
        self.semantic_weight = semantic_weight

    def loss(
        self, x: tuple[Tensor, ...], batch_data_samples: list[SegDataSample], train_cfg: dict
    ) -> dict[str, Tensor]:
        """The losses of `Mask2FormerHead` and `loss_semantic`."""
        instances, metas = self._seg_data_to_instance_data(batch_data_samples)
        class_logits, mask_logits = self(x, batch_data_samples)
        losses = self.loss_by_feat(class_logits, mask_logits, instances, metas)
        # Half the size of the image is the size of its masks twice enlarged.
        labels = torch.stack([sample.gt_sem_seg.data[0, ::2, ::2] for sample in batch_data_samples])
        masks = F.interpolate(mask_logits[-1], labels.shape[1:], mode='bilinear', align_corners=False).sigmoid()
        scores = torch.einsum('bqc,bqhw->bchw', class_logits[-1].softmax(-1)[..., :-1], masks) + 1e-6
        log_probability = scores.log() - scores.sum(1, keepdim=True).log()
        entropy = F.nll_loss(log_probability, labels, self.semantic_class_weight, ignore_index=self.ignore_index)
        losses['loss_semantic'] = self.semantic_weight * entropy
        return losses
