"""The algorithm: images to BEV features to maps, and which loss reads which map."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModel
from torch import Tensor

from ssl_bev.geometry import BEVGrid
from ssl_bev.structures import BEVDataSample, CameraRig

from .losses import IGNORE

LOSS_NAMES = ('loss_seg', 'loss_reprojection', 'loss_temporal')


@MODELS.register_module()
class BEVSegmentor(BaseModel):
    """Camera-based BEV segmentation, trained by BEV labels, by reprojection, by consistency over time, or by all.

    Args:
        img_backbone, img_neck: image feature extractor; any mmdet modules.
        bev_encoder: maps image features and calibration to BEV features, see `projects/BEVFormer`.
        seg_head: config of `BEVSegHead`.
        reprojection_head: config of `ReprojectionHead`; needed where loss_reprojection has a weight.
        temporal_loss: config of `TemporalConsistencyLoss`; needed where loss_temporal has a weight.
        loss_weights: weight of each loss, by name; a missing one counts as 0. `TwoPhaseHook` sets them by phase.
        reproject_frames: how many of the window's last frames the self-supervised losses train.

    The same losses always come out, so that no rank of a distributed run waits for another; a loss of weight 0 costs
    nothing and is a zero that keeps the graph.
    """

    def __init__(
        self,
        img_backbone: dict,
        bev_encoder: dict,
        seg_head: dict,
        img_neck: dict | None = None,
        reprojection_head: dict | None = None,
        temporal_loss: dict | None = None,
        loss_weights: Mapping[str, float] | None = None,
        reproject_frames: int = 2,
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
        self.reproject_frames = reproject_frames
        self.loss_weights: dict[str, float] = {}
        self.set_loss_weights(loss_weights or {'loss_seg': 1.0})

    def set_loss_weights(self, weights: Mapping[str, float]) -> None:
        """Set the weights of all losses; those not named become 0.

        Raises:
            ValueError: an unknown loss, a negative weight, or a loss whose module this model lacks.
        """
        for name, weight in weights.items():
            if name not in LOSS_NAMES:
                raise ValueError(f'unknown loss {name!r} in loss_weights; there are {", ".join(LOSS_NAMES)}')
            if weight < 0:
                raise ValueError(f'the weight of {name} must not be negative, got {weight}')
        for name, module in (('loss_reprojection', 'reprojection_head'), ('loss_temporal', 'temporal_loss')):
            if weights.get(name, 0) and getattr(self, module) is None:
                raise ValueError(f'{name} has the weight {weights[name]}, but the model has no {module}')
        self.loss_weights = {name: float(weights.get(name, 0)) for name in LOSS_NAMES}

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
        logits = self.logits(inputs['img'], rig, num_frames=1)[-1]
        if mode == 'tensor':
            return logits
        if mode == 'predict':
            return self._add_predictions(logits, data_samples)
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

    def logits(
        self,
        images: Tensor,  # (B, T, N, 3, H, W)
        rig: CameraRig,
        num_frames: int = 1,
    ) -> list[dict[str, Tensor]]:
        """Logits of the window's last frames, oldest first; the frames before serve as history without gradient."""
        first = rig.num_frames - num_frames
        maps, history = [], None
        for t in range(rig.num_frames):
            with torch.set_grad_enabled(torch.is_grad_enabled() and t >= first):
                history = self._encode(images[:, t], rig, t, history)
                if t >= first:
                    maps.append(self.seg_head(history))
        return maps

    def _encode(self, images: Tensor, rig: CameraRig, t: int, history: Tensor | None) -> Tensor:
        frame = rig.frame(t)
        past = {}
        if history is not None:
            past = dict(
                history=history,
                current2history=rig.target2source(t, t - 1),
                history_valid=rig.frame_valid[:, t - 1],
            )
        # Features cover the padded image, so that is the size that pixel coordinates are normalised by.
        padded_size = tuple(images.shape[-2:])
        return self.bev_encoder(
            self.extract_features(images), frame.bev2img, padded_size, road2bev=frame.road2bev, **past
        )

    def loss(self, images: Tensor, rig: CameraRig, data_samples: list[BEVDataSample]) -> dict[str, Tensor]:
        """Weighted losses, always all of `LOSS_NAMES`."""
        weights = self.loss_weights
        self_supervised = weights['loss_reprojection'] > 0 or weights['loss_temporal'] > 0
        maps = self.logits(images, rig, min(self.reproject_frames, rig.num_frames) if self_supervised else 1)

        anchor = sum(logits.sum() for frame in maps for logits in frame.values()) * 0.0
        losses = dict.fromkeys(LOSS_NAMES, anchor)
        if weights['loss_seg']:
            target = self._bev_labels(maps[-1]['fine'], data_samples)
            losses['loss_seg'] = losses['loss_seg'] + self.seg_head.loss(maps[-1]['fine'], target)
        if weights['loss_reprojection']:
            losses['loss_reprojection'] = losses['loss_reprojection'] + self._reprojection_loss(maps, rig, data_samples)
        if weights['loss_temporal'] and len(maps) > 1:
            losses['loss_temporal'] = losses['loss_temporal'] + self._temporal_loss(maps, rig)
        return {name: weights[name] * value for name, value in losses.items()}

    def _bev_labels(self, logits: Tensor, data_samples: list[BEVDataSample]) -> Tensor:
        """The batch's labels; samples without any (a mixed batch) are ignored everywhere."""
        unlabelled = torch.full_like(logits[0], IGNORE, dtype=torch.uint8)
        head = self.seg_head
        for sample in data_samples:
            if 'gt_bev_seg' in sample:
                _must_agree('BEV labels', sample, 'classes', sample.bev_classes, head.classes)
                grid = BEVGrid(sample.x_range, sample.y_range, sample.cell_size)
                _must_agree('BEV labels', sample, 'grid', grid, head.grid)
        return torch.stack([getattr(sample, 'gt_bev_seg', unlabelled) for sample in data_samples])

    def _reprojection_loss(self, maps: list[dict], rig: CameraRig, data_samples: list[BEVDataSample]) -> Tensor:
        missing = [sample.sample_token for sample in data_samples if 'pseudo_target' not in sample]
        if missing:
            raise ValueError(
                f'loss_reprojection needs pseudo-labels, sample {missing[0]} has none; '
                'add LoadPseudoLabels to the pipeline'
            )
        for sample in data_samples:
            _must_agree('pseudo-labels', sample, 'classes', sample.pseudo_classes, self.seg_head.coarse_classes)
        target = torch.stack([sample.pseudo_target for sample in data_samples])
        confidence = torch.stack([sample.pseudo_confidence for sample in data_samples])
        total = 0.0
        for t, logits in zip(range(rig.num_frames - len(maps), rig.num_frames), maps, strict=True):
            frame = rig.frame(t)
            total = total + self.reprojection_head.loss(
                logits['coarse'],
                self.seg_head.grid,
                frame.bev2img,
                frame.road2bev,
                frame.image_size,
                target[:, t],
                confidence[:, t],
                frame.frame_valid,
            )
        return total / len(maps)

    def _temporal_loss(self, maps: list[dict], rig: CameraRig) -> Tensor:
        grid = self.seg_head.grid
        total = 0.0
        first = rig.num_frames - len(maps)
        for i in range(1, len(maps)):
            current, earlier = rig.frame(first + i), rig.frame(first + i - 1)
            total = total + self.temporal_loss(
                maps[i]['coarse'],
                maps[i - 1]['coarse'],
                grid,
                rig.target2source(first + i, first + i - 1),
                current.observed(grid),
                earlier.observed(grid),
                pair_valid=earlier.frame_valid,
            )
        return total / (len(maps) - 1)

    def _add_predictions(self, logits: dict[str, Tensor], data_samples: list[BEVDataSample]) -> list[BEVDataSample]:
        probabilities, names = self.seg_head.predict(logits)
        grid = self.seg_head.grid
        geometry = dict(x_range=grid.x_range, y_range=grid.y_range, cell_size=grid.cell_size)
        for sample, probability in zip(data_samples, probabilities, strict=True):
            sample.set_metainfo(dict(pred_classes=names, **geometry))
            sample.pred_bev_seg = probability
        return data_samples


def _must_agree(what: str, sample: BEVDataSample, name: str, given: object, expected: object) -> None:
    given = tuple(given) if isinstance(given, list) else given
    if given != expected:
        raise ValueError(
            f'the {what} of sample {sample.sample_token} have the {name} {given}, the segmentation head has {expected}'
        )
