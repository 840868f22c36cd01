"""Plain 2-D segmentation of the camera images: the cheapest way to teach the image backbone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from ssl_bev.targets import IGNORE, POSITIVE, known

from .labels import stack_pseudo_labels
from .objective import Objective, Window


@MODELS.register_module()
class PerspectiveHead(Objective):
    """Classify image features against the same pseudo-labels that supervise the map; training only.

    Args:
        in_channels: channels of the image features.
        classes: of the pseudo-labels.
        loss: config of the loss, called as `loss(logits, target, weight)`.
        channels: channels of the hidden layer.
        level: index of the feature level.
        num_frames: the number of last frames of the window that it learns from.
    """

    needs = ('pseudo_target', 'pseudo_confidence')

    def __init__(
        self,
        in_channels: int,
        classes: tuple[str, ...],
        loss: dict,
        channels: int = 64,
        level: int = 0,
        num_frames: int = 2,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_frames < 1:
            raise ValueError(f'num_frames must be at least 1, got {num_frames}')
        self.classes = tuple(classes)
        self.level = level
        self.num_frames = num_frames
        self.hidden = ConvModule(in_channels, channels, 3, padding=1, norm_cfg=dict(type='GN', num_groups=8))
        self.class_layer = nn.Conv2d(channels, len(self.classes), 1)
        self.loss_module = MODELS.build(loss)

    def loss(self, window: Window) -> Tensor:
        """The loss of the last frames' images, weighted by confidence.

        Raises:
            ValueError: the model does not have this level of image features.
        """
        frames = window.frames[-self.num_frames :]
        levels = len(frames[-1].features)
        if not -levels <= self.level < levels:
            raise ValueError(
                f'PerspectiveHead reads level {self.level} of the image features, the model has {levels} levels'
                + ('' if levels else '; it needs an img_backbone')
            )
        target, confidence = stack_pseudo_labels(window.data_samples, self.classes, len(frames))
        features = _side_by_side([frame.features[self.level] for frame in frames])
        # Nothing is learnt from a missing image, or a second time from a frame that the window repeats.
        valid = torch.cat([frame.rig.camera_valid & frame.rig.frame_valid[:, None] for frame in frames], 1)
        assert window.padded_size is not None  # there are image features
        sizes = (window.rig.image_size, window.padded_size)
        return self.compare(features, *sizes, target.flatten(1, 2), confidence.flatten(1, 2), valid)

    def forward(
        self,
        features: Tensor,  # (B, N, C, h, w)
    ) -> Tensor:  # (B, N, K, h, w)
        """Class logits at the features' resolution."""
        return self.class_layer(self.hidden(features.flatten(0, 1))).unflatten(0, features.shape[:2])

    def compare(
        self,
        features: Tensor,  # (B, N, C, h, w)
        image_size: tuple[int, int],
        padded_size: tuple[int, int],
        target: Tensor,  # (B, N, K, h', w') uint8, 0 ... 254 or 255 = ignore
        confidence: Tensor,  # (B, N, h', w') uint8, 255 = certain
        camera_weight: Tensor | None = None,  # (B, N)
    ) -> Tensor:  # ()
        """The loss of images against their pseudo-labels.

        Args:
            features: image features; they cover the padded image.
            image_size: height and width that the labels cover.
            padded_size: height and width that the features cover.
            target: labels; each logit is compared with the average of the labels that it covers.
            confidence: of the teacher.
            camera_weight: weight of each image.
        """
        logits = self.forward(features).flatten(0, 1)
        target, confidence = target.flatten(0, 1), confidence.flatten(0, 1)[:, None]
        height, width = (
            round(labels * padded / inner)
            for labels, padded, inner in zip(target.shape[-2:], padded_size, image_size, strict=True)
        )
        margin = (0, width - target.shape[-1], 0, height - target.shape[-2])
        target, confidence = F.pad(target, margin, value=IGNORE), F.pad(confidence, margin)
        labelled = known(target)
        size = (logits.shape[-2], logits.shape[-1])
        share = F.adaptive_avg_pool2d(labelled.float(), size)
        positive = F.adaptive_avg_pool2d((target * labelled).float(), size) / POSITIVE
        weight = share * F.adaptive_avg_pool2d(confidence.float(), size) / 255
        if camera_weight is not None:
            weight = weight * camera_weight.flatten()[:, None, None, None]
        probability = torch.where(share > 0, positive / share.clamp(min=1e-6), float(IGNORE))
        return self.loss_module(logits, probability, weight)


def _side_by_side(
    frames: Sequence[Tensor],  # T' of (B, N, C, h, w)
) -> Tensor:  # (B, T' N, C, h, w)
    """All images of a sample in a row; as maps of four dimensions they keep their layout in memory."""
    samples = zip(*(frame.flatten(0, 1).split(frame.shape[1]) for frame in frames), strict=True)
    return torch.cat([maps for sample in samples for maps in sample]).unflatten(0, (len(frames[0]), -1))
