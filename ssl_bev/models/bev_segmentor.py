"""The algorithm: images to BEV features to maps."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModel
from torch import Tensor

from ssl_bev.structures import BEVDataSample, CameraRig

from .loss_terms import CURRENT_FRAME, IMAGE_PLANE, LOSSES, RENAMED, Frame, loss_terms
from .predictions import write_predictions


@MODELS.register_module()
class BEVSegmentor(BaseModel):
    """Camera-based BEV segmentation, trained by BEV labels, by reprojection, by consistency over time, or by all.

    Args:
        img_backbone, img_neck: image feature extractor; any mmdet modules.
        bev_encoder: maps image features and calibration to BEV features, see `projects/BEVFormer`.
        seg_head: config of `BEVSegHead`.
        reprojection_head: config of `ReprojectionHead`; needed where loss_reprojection has a weight.
        temporal_loss: config of `TemporalConsistencyLoss`; needed where loss_temporal has a weight.
        perspective_head: config of `PerspectiveHead`; needed where loss_perspective has a weight.
        accumulated_loss: config of the loss of the coarse map against accumulated targets, called as
            `loss(logits, probability, weight)`; needed where loss_accumulated has a weight.
        completed_loss: the same of the fine map against completed maps (tools/complete_maps.py); needed where
            loss_completed has a weight.
        loss_weights: weight of each loss, by name; a missing one counts as 0. `TwoPhaseHook` sets them by phase.
        reproject_frames: how many of the window's last frames the self-supervised losses train.
        neighbour_weight: weight of reprojecting each of these maps into the cameras of the window's *other* frames,
            past and future, beside its own cameras' weight of 1; 0: not at all. The world stands still; what moves
            has no pseudo-label of the ground. Source: RenderOcc and SkyEye, which use neighbouring frames too.

    The same losses always come out, so that no rank of a distributed run waits for another; a loss of weight 0 costs
    nothing and is a zero that keeps the graph. Where only losses in the image plane have a weight, the BEV encoder
    does not run: a quick stage for the image backbone.
    """

    def __init__(
        self,
        img_backbone: dict,
        bev_encoder: dict,
        seg_head: dict,
        img_neck: dict | None = None,
        reprojection_head: dict | None = None,
        temporal_loss: dict | None = None,
        perspective_head: dict | None = None,
        accumulated_loss: dict | None = None,
        completed_loss: dict | None = None,
        loss_weights: Mapping[str, float] | None = None,
        reproject_frames: int = 2,
        neighbour_weight: float = 0.0,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.img_backbone = MODELS.build(img_backbone)
        self.img_neck = MODELS.build(img_neck) if img_neck else None
        self.bev_encoder = MODELS.build(bev_encoder)
        self.seg_head = MODELS.build(seg_head)
        self.reprojection_head = MODELS.build(reprojection_head) if reprojection_head else None
        self.temporal_loss = MODELS.build(temporal_loss) if temporal_loss else None
        self.perspective_head = MODELS.build(perspective_head) if perspective_head else None
        self.accumulated_loss = MODELS.build(accumulated_loss) if accumulated_loss else None
        self.completed_loss = MODELS.build(completed_loss) if completed_loss else None
        if neighbour_weight < 0:
            raise ValueError(f'neighbour_weight must not be negative, got {neighbour_weight}')
        self.reproject_frames = reproject_frames
        self.neighbour_weight = neighbour_weight
        self.loss_weights: dict[str, float] = {}
        self.set_loss_weights(loss_weights or {'loss_seg': 1.0})

    def set_loss_weights(self, weights: Mapping[str, float]) -> None:
        """Set the weights of all losses; those not named become 0.

        Raises:
            ValueError: an unknown loss or an old name, a negative weight, or a loss whose module this model lacks.
        """
        for name, weight in weights.items():
            if name in RENAMED:
                raise ValueError(f'{name} in loss_weights is now {RENAMED[name]}')
            if name not in LOSSES:
                raise ValueError(f'unknown loss {name!r} in loss_weights; there are {", ".join(LOSSES)}')
            if weight < 0:
                raise ValueError(f'the weight of {name} must not be negative, got {weight}')
        for name, module in LOSSES.items():
            if weights.get(name, 0) and getattr(self, module) is None:
                raise ValueError(f'{name} has the weight {weights[name]}, but the model has no {module}')
        self.loss_weights = {name: float(weights.get(name, 0)) for name in LOSSES}

    def forward(
        self,
        inputs: dict[str, Tensor],  # img: (B, T, N, 3, H, W)
        data_samples: list[BEVDataSample],
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | list[BEVDataSample]:
        """As mmengine's models: 'loss' gives losses, 'predict' data samples, 'tensor' logits of the last frame."""
        rig = CameraRig.from_data_samples(data_samples)
        if mode == 'loss':
            return self.loss(inputs['img'], rig, data_samples)
        current = self.frames(inputs['img'], rig, num_frames=1)[-1]
        if mode == 'tensor':
            return current.logits
        if mode == 'predict':
            return write_predictions(self.seg_head, current.logits, data_samples)
        raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")

    def extract_features(
        self,
        images: Tensor,  # (B, N, 3, H, W)
    ) -> list[Tensor]:  # levels of (B, N, C, h, w)
        """Image features of one frame."""
        levels = self.img_backbone(images.flatten(0, 1))
        if self.img_neck is not None:
            levels = self.img_neck(levels)
        return [level.unflatten(0, images.shape[:2]) for level in levels]

    def frames(
        self,
        images: Tensor,  # (B, T, N, 3, H, W)
        rig: CameraRig,
        num_frames: int = 1,
    ) -> list[Frame]:
        """The window's last frames, oldest first; the frames before serve as history without gradient."""
        first = rig.num_frames - num_frames
        outputs, past = [], {}
        for t in range(rig.num_frames):
            with torch.set_grad_enabled(torch.is_grad_enabled() and t >= first):
                features, bev = self.encode(images[:, t], rig.frame(t), **past)
                if t >= first:
                    outputs.append(Frame(t, rig.frame(t), features, self.seg_head(bev)))
            if t + 1 < rig.num_frames:
                motion, valid = rig.target2source(t + 1, t), rig.frame_valid[:, t]
                past = dict(history=bev, current2history=motion, history_valid=valid)
        return outputs

    def image_frames(
        self,
        images: Tensor,  # (B, T, N, 3, H, W)
        rig: CameraRig,
        num_frames: int = 1,
    ) -> list[Frame]:
        """As `frames`, without a BEV map."""
        last = range(rig.num_frames - num_frames, rig.num_frames)
        return [Frame(t, rig.frame(t), self.extract_features(images[:, t]), {}) for t in last]

    def encode(
        self,
        images: Tensor,  # (B, N, 3, H, W)
        rig: CameraRig,
        **past: Tensor,
    ) -> tuple[list[Tensor], Tensor]:  # levels of (B, N, C, h, w), (B, C, Hb, Wb)
        """Image features and BEV features of one frame.

        Args:
            images: preprocessed images.
            rig: of this frame.
            past: `history` (B, C, Hb, Wb), an earlier frame's BEV features, with `current2history` (B, 4, 4) and
                `history_valid` (B,) bool; or nothing.
        """
        features = self.extract_features(images)
        calibration = dict(road2bev=rig.road2bev, camera_valid=rig.camera_valid)
        # Features cover the padded image, so that is the size that pixel coordinates are normalised by.
        return features, self.bev_encoder(features, rig.bev2img, tuple(images.shape[-2:]), **calibration, **past)

    def loss(
        self,
        images: Tensor,  # (B, T, N, 3, H, W)
        rig: CameraRig,
        data_samples: list[BEVDataSample],
    ) -> dict[str, Tensor]:
        """Weighted losses, always all of `LOSSES`."""
        weights = self.loss_weights
        self_supervised = any(weights[name] for name in LOSSES if name not in CURRENT_FRAME)
        num_frames = min(self.reproject_frames, rig.num_frames) if self_supervised else 1
        if any(weights[name] for name in LOSSES if name not in IMAGE_PLANE):
            frames = self.frames(images, rig, num_frames)
            unused = [self.perspective_head]
        else:
            frames = self.image_frames(images, rig, num_frames)
            unused = [self.perspective_head, self.bev_encoder, self.seg_head]

        graph = [logits.sum() for frame in frames for logits in frame.logits.values()]
        graph += [parameter.sum() for module in unused if module is not None for parameter in module.parameters()]
        losses = dict.fromkeys(LOSSES, sum(graph) * 0.0)
        for name, terms in loss_terms(self, frames, rig, data_samples, tuple(images.shape[-2:])):
            losses[name] = losses[name] + weights[name] * sum(terms) / len(terms)
        return losses
