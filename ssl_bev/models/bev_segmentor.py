"""The algorithm: sensors to BEV features to maps, trained by objectives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModel
from torch import Tensor, nn

from ssl_bev.structures import BEVDataSample, CameraRig

from .bev_encoder import FrameInputs
from .moved_arguments import refuse_moved
from .objectives import BEVMap, Frame, ObjectiveSet, Window
from .pause import Pause
from .predictions import write_predictions


@MODELS.register_module()
class BEVSegmentor(BaseModel):
    """BEV segmentation, trained by BEV labels, reprojection, temporal consistency, or any other objective.

    Args:
        bev_encoder: config of a `BEVEncoder`: sensor data of a frame -> BEV features.
        seg_head: config of `BEVSegHead`: BEV features -> maps.
        objectives: name -> config of an `Objective`. Each is logged as `loss_{name}`.
        loss_weights: name of an objective -> weight; a missing one counts as 0. None: all are 1. `TwoPhaseHook`
            sets them by phase.
        img_backbone, img_neck: image feature extractor, any mmdet modules; None for an encoder without images.

    The set of losses is always the same. An objective without a weight costs nothing: it is not computed, and
    parameters that only it trains get no gradient. If no objective with a weight reads a map, the BEV encoder does not
    run: a fast stage for the image backbone.
    """

    def __init__(
        self,
        bev_encoder: dict,
        seg_head: dict,
        objectives: Mapping[str, dict] | None = None,
        loss_weights: Mapping[str, float] | None = None,
        img_backbone: dict | None = None,
        img_neck: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
        **moved: Any,
    ) -> None:
        refuse_moved(self, moved)
        super().__init__(data_preprocessor, init_cfg)
        self.img_backbone = MODELS.build(img_backbone) if img_backbone else None
        self.img_neck = MODELS.build(img_neck) if img_neck else None
        self.bev_encoder = MODELS.build(bev_encoder)
        self.seg_head = MODELS.build(seg_head)
        self.objectives = ObjectiveSet(objectives or {})
        self._pause = Pause()
        self.set_loss_weights(self.objectives.weights if loss_weights is None else loss_weights)

    def get_loss_weights(self) -> dict[str, float]:
        """The weight of each objective, by name."""
        return dict(self.objectives.weights)

    def set_loss_weights(self, weights: Mapping[str, float]) -> None:
        """Set the weights of all objectives; those not named become 0, and modules that only they train pause.

        Raises:
            ValueError: an unknown objective or a negative weight.
        """
        self.objectives.set_weights(weights)
        reads = self.objectives.reads
        unread = [*self.seg_head.unread(reads), *([] if reads else [self.bev_encoder])]
        self._pause([*self.objectives.idle, *unread])

    def init_fine_from_coarse(self) -> None:
        """Start the fine classes from the coarse ones, see `BEVSegHead`."""
        self.seg_head.init_fine_from_coarse()

    def forward(
        self,
        inputs: dict[str, Any],  # img: (B, T, N, 3, H, W); points: B lists of T' clouds (P, F)
        data_samples: list[BEVDataSample],
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | list[BEVDataSample]:
        """As in mmengine: 'loss' gives losses, 'predict' data samples, 'tensor' logits of the last frame."""
        rig = CameraRig.from_data_samples(data_samples)
        if mode == 'loss':
            return self.loss(inputs, rig, data_samples)
        if mode not in ('predict', 'tensor'):
            raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")
        logits = {level: bev.logits for level, bev in self.frames(inputs, rig)[-1].maps.items()}
        return logits if mode == 'tensor' else write_predictions(self.seg_head, logits, data_samples)

    def loss(self, inputs: dict[str, Any], rig: CameraRig, data_samples: list[BEVDataSample]) -> dict[str, Tensor]:
        """Weighted losses, always one for each objective.

        Raises:
            ValueError: no objective has a weight, or samples lack fields.
        """
        if not self.objectives.active:
            raise ValueError(
                f'no objective has a weight, so nothing trains: the objectives are {list(self.objectives)}; give one '
                'a weight in loss_weights of the model, or in losses of the phase'
            )
        num_frames = min(self.objectives.num_frames, rig.num_frames)
        frames = self.frames(inputs, rig, num_frames, with_maps=bool(self.objectives.reads))
        return self.objectives.losses(Window(frames, rig, data_samples, _image_size(inputs)))

    def frames(
        self, inputs: dict[str, Any], rig: CameraRig, num_frames: int = 1, with_maps: bool = True
    ) -> list[Frame]:
        """The last frames of the window, oldest first. A stateful encoder runs over earlier ones without gradient."""
        first = rig.num_frames - num_frames
        start = 0 if with_maps and getattr(self.bev_encoder, 'stateful', False) else first
        frames, state = [], None
        prepare = getattr(self.bev_encoder, 'prepare_window', None) if with_maps else None
        prepared = prepare and prepare(rig.frame(slice(start, None)), _image_size(inputs))
        features = self.window_features(inputs, start, first) if self.img_backbone is not None else None
        for t in range(start, rig.num_frames):
            if t == first:
                # Older torch also caches half-precision weights under no_grad, and those have no gradient.
                torch.clear_autocast_cache()
            with torch.set_grad_enabled(torch.is_grad_enabled() and t >= first):
                state_valid = rig.frame_valid[:, t - 1] if t > start else None
                own = features[t - start] if features else None
                frame = self.frame_inputs(inputs, rig, t, state_valid, prepared and prepared[t - start], own)
                maps: dict[str, BEVMap] = {}
                if with_maps:
                    bev, state = self.bev_encoder(frame, rig.frame(t), state)
                    maps = self.seg_head.maps(bev) if t >= first else {}
            if t >= first:
                frames.append(Frame(t, rig.frame(t), frame.image_features, maps))
        return frames

    def frame_inputs(
        self,
        inputs: dict[str, Any],
        rig: CameraRig,
        index: int,
        state_valid: Tensor | None = None,
        prepared: Any = None,
        features: Sequence[Tensor] | None = None,
    ) -> FrameInputs:
        """Encoder inputs for one frame of the windows, with the given image features or those computed here."""
        if features is None:
            features = self.extract_features(inputs['img'][:, index]) if self.img_backbone is not None else ()
        last = index - rig.num_frames  # points may be loaded for the last frames only
        points = [clouds[last] for clouds in inputs.get('points', ())]
        return FrameInputs(features, _image_size(inputs), points, state_valid, prepared)

    def window_features(
        self, inputs: dict[str, Any], start: int, first: int
    ) -> list[Sequence[Tensor]]:  # of each frame, levels of (B, N, C, h, w)
        """Image features of the window's frames from `start` on, with gradient from `first` on.

        The backbone is called once for frames without gradient and once for frames with gradient. If batch norms train,
        it is called for each frame, since the statistics would otherwise be those of all frames together.
        """
        images = inputs['img'][:, start:]
        parts = [images[:, : first - start], images[:, first - start :]]
        features: list[Sequence[Tensor]] = []
        for part, with_gradient in zip(parts, (False, True), strict=True):
            if with_gradient:
                torch.clear_autocast_cache()  # see `frames`
            with torch.set_grad_enabled(torch.is_grad_enabled() and with_gradient):
                pieces = part.split(1, 1) if self._batch_norm_trains() else [part]
                for piece in pieces if part.shape[1] else ():
                    levels = self.extract_features(piece.flatten(1, 2))
                    # The gradient of one frame keeps its layout in memory if nothing is split.
                    several, cameras = piece.shape[1] > 1, piece.shape[2]
                    frames = [level.split(cameras, 1) if several else [level] for level in levels]
                    features.extend(zip(*frames, strict=True))
        return features

    def _batch_norm_trains(self) -> bool:
        parts = (self.img_backbone, self.img_neck)
        modules = (module for part in parts if part is not None for module in part.modules())
        return any(isinstance(module, (nn.BatchNorm2d, nn.SyncBatchNorm)) and module.training for module in modules)

    def extract_features(
        self,
        images: Tensor,  # (B, N, 3, H, W)
    ) -> list[Tensor]:  # levels of (B, N, C, h, w)
        """Image features of N images of each sample, such as those of one frame."""
        assert self.img_backbone is not None
        levels = self.img_backbone(images.flatten(0, 1))
        if self.img_neck is not None:
            levels = self.img_neck(levels)
        return [level.unflatten(0, images.shape[:2]) for level in levels]


def _image_size(inputs: dict[str, Any]) -> tuple[int, int] | None:
    # Features cover the padded image, so pixel coordinates are normalised by its size.
    return tuple(inputs['img'].shape[-2:]) if 'img' in inputs else None
