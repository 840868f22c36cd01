"""Plain 2-D segmentation of the camera images: the cheapest way to teach the image backbone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


@MODELS.register_module()
class PerspectiveHead(BaseModule):
    """Classify image features against the same pseudo-labels that supervise the reprojected map; training only.

    Args:
        in_channels: channels of the image features.
        num_classes: classes of the pseudo-labels.
        loss: config of the loss, called as `loss(logits, target, weight)`.
        channels: channels of the hidden layer.
        level: which feature level is read.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        loss: dict,
        channels: int = 64,
        level: int = 0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.level = level
        self.hidden = ConvModule(in_channels, channels, 3, padding=1, norm_cfg=dict(type='GN', num_groups=8))
        self.classes = nn.Conv2d(channels, num_classes, 1)
        self.loss_module = MODELS.build(loss)

    def forward(
        self,
        features: list[Tensor],  # levels of (B, N, C, h, w)
    ) -> Tensor:  # (B, N, K, h, w)
        """Class logits at the level's resolution."""
        level = features[self.level]
        return self.classes(self.hidden(level.flatten(0, 1))).unflatten(0, level.shape[:2])

    def loss(
        self,
        features: list[Tensor],  # levels of (B, N, C, h, w)
        image_size: tuple[int, int],
        padded_size: tuple[int, int],
        target: Tensor,  # (B, N, K, h', w'), 0, 1 or 255 = ignore
        confidence: Tensor,  # (B, N, h', w'), uint8, 255 = certain
        sample_weight: Tensor | None = None,  # (B,)
    ) -> Tensor:  # ()
        """The loss of one frame's images against their pseudo-labels, weighted by confidence.

        Args:
            features: image features; they cover the padded image.
            image_size: height and width that the labels cover.
            padded_size: height and width that the features cover.
            target: labels at a whole-number stride of the image.
            confidence: the teacher's.
            sample_weight: weight of each sample of the batch.
        """
        batch, cameras, _, height, width = target.shape
        logits = self.forward(features)
        # Labels cover the upper left part of the padded image; sample the logits at their centres.
        v, u = (
            (torch.arange(n, device=logits.device, dtype=torch.float32) + 0.5) / n * 2 * inner / outer - 1
            for n, inner, outer in zip((height, width), image_size, padded_size, strict=True)
        )
        positions = torch.stack(torch.meshgrid(u, v, indexing='xy'), -1).expand(batch * cameras, -1, -1, -1)
        logits = F.grid_sample(logits.flatten(0, 1).float(), positions, padding_mode='border', align_corners=False)
        weight = confidence.to(logits.dtype) / 255
        if sample_weight is not None:
            weight = weight * sample_weight.view(-1, 1, 1, 1)
        return self.loss_module(logits, target.flatten(0, 1), weight.flatten(0, 1)[:, None])
