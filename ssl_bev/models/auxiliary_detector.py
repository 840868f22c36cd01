"""An unmodified detector that also learns from our objectives, beside its own head."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor

from ssl_bev.geometry import BEVGrid, check_area, cut_area
from ssl_bev.random_state import kept_random_state
from ssl_bev.structures import CameraRig

from .feature_tap import check_tap, tapped, tapped_features
from .objectives import BEVMap, Frame, ObjectiveSet, Window
from .pause import Pause
from .predictions import write_predictions


@MODELS.register_module()
class DetectorWithObjectives(BaseModel):
    """A detector of mmdetection3d, with a segmentation head on its BEV features and our objectives beside its losses.

    The computation of the detector does not change. If no objective has a weight, neither the head nor an
    objective runs, and weights, losses, gradients and boxes are those of the detector alone with the same seed.

    Its samples come from a pipeline of mmdetection3d with `AdaptMultiViewImages` and, at its end,
    `PackDetectionWithBEV`. Weights of the detector alone are loaded by
    `detector=dict(init_cfg=dict(type='Pretrained', checkpoint=...))`, and the detector alone loads those of this model
    with `prefix='detector.'` added.

    Convention: features are (B, C, rows, columns); rows grow with y and columns with x, as for pillars and
    voxels in the models of mmdetection3d. The area of the `grid` of the head is cut out of them.

    Args:
        detector: config of the detector. Its data preprocessor is also that of this model.
        tap: name of the module whose output is the BEV features, such as 'pts_neck'. If the module is called
            several times, the last output counts.
        point_cloud_range: (x_min, y_min, z_min, x_max, y_max, z_max) of the features, metres, as in the detector.
        seg_head: config of `BEVSegHead`.
        objectives: name -> config of an `Objective` that reads a map. Each is logged as `loss_{name}`.
        loss_weights: name of an objective -> weight; a missing one counts as 0. None: all are 1. `TwoPhaseHook`
            sets them by phase. The losses of the detector always count.
        level: index or key of the map, if the module outputs a list or dict of maps.
        bev_frame: frame of the features, which must be that of the samples.
        predict_maps: True: predictions contain `pred_bev_seg`, as for `BEVSegmentor`; False: boxes only.

    Raises:
        ValueError: an unknown tap, a label grid beyond the features, or an objective that reads no map or needs
            several frames.
    """

    def __init__(
        self,
        detector: Mapping,
        tap: str,
        point_cloud_range: Sequence[float],
        seg_head: Mapping,
        objectives: Mapping[str, Mapping] | None = None,
        loss_weights: Mapping[str, float] | None = None,
        level: int | str = 0,
        bev_frame: str = 'lidar',
        predict_maps: bool = True,
    ) -> None:
        if len(point_cloud_range) != 6:
            raise ValueError(f'point_cloud_range must be two corners (x, y, z), six numbers, got {point_cloud_range}')
        built = MODELS.build(copy.deepcopy(detector))  # detectors write into their configs
        super().__init__(built.data_preprocessor)
        self.detector = built
        check_tap(built, tap)
        self.tap, self.level = tap, level
        x_min, y_min, _, x_max, y_max, _ = point_cloud_range
        self.x_range, self.y_range = (x_min, x_max), (y_min, y_max)
        self.bev_frame = bev_frame
        self.predict_maps = predict_maps
        with kept_random_state():  # later random numbers are those of the detector alone
            self.seg_head = MODELS.build(seg_head)
            self.objectives = ObjectiveSet(objectives or {})
        check_area(self.x_range, self.y_range, self.seg_head.grid)
        for name, objective in self.objectives.items():
            if objective.reads is None:
                raise ValueError(
                    f'objective {name} ({type(objective).__name__}) reads image features; of a detector there are '
                    'maps only'
                )
            if objective.min_frames > 1:
                raise ValueError(
                    f'objective {name} ({type(objective).__name__}) needs {objective.min_frames} frames; a detector '
                    'has the current frame only. Leave it out'
                )
        self._pause = Pause()
        self.set_loss_weights(self.objectives.weights if loss_weights is None else loss_weights)

    def init_weights(self) -> None:
        self.detector.init_weights()
        with kept_random_state():
            self.seg_head.init_weights()
            self.objectives.init_weights()

    def get_loss_weights(self) -> dict[str, float]:
        """The weight of each objective, by name."""
        return dict(self.objectives.weights)

    def set_loss_weights(self, weights: Mapping[str, float]) -> None:
        """Set the weights of all objectives; those not named become 0, and modules that only they train pause.

        Raises:
            ValueError: an unknown objective or a negative weight.
        """
        self.objectives.set_weights(weights)
        self._pause([*self.objectives.idle, *self.seg_head.unread(self.objectives.reads)])

    def init_fine_from_coarse(self) -> None:
        """Start the fine classes from the coarse ones, see `BEVSegHead`."""
        self.seg_head.init_fine_from_coarse()

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = 'tensor', **kwargs: Any) -> Any:
        """Like the detector, with `loss_{name}` of each objective, and `pred_bev_seg` in each predicted sample."""
        if mode == 'loss':
            return self.loss(inputs, data_samples, **kwargs)
        if mode == 'predict' and self.predict_maps:
            return self.predict(inputs, data_samples, **kwargs)
        return self.detector(inputs, data_samples, mode=mode, **kwargs)

    def loss(self, inputs: Any, data_samples: list[BaseDataElement], **kwargs: Any) -> dict[str, Tensor]:
        """The losses of the detector, and always one for each objective.

        Raises:
            ValueError: an objective whose loss has the name of one of the detector, or samples that lack fields.
        """
        if self.objectives.active:
            rig = self._rig(data_samples)
            with tapped(self.detector, self.tap) as outputs:
                losses = self.detector(inputs, data_samples, mode='loss', **kwargs)
            frame = Frame(rig.num_frames - 1, rig.frame(-1), (), self._maps(outputs))
            ours = self.objectives.losses(Window([frame], rig, data_samples))
        else:
            losses = self.detector(inputs, data_samples, mode='loss', **kwargs)
            device = next(self.parameters()).device
            ours = {f'loss_{name}': torch.zeros((), device=device) for name in self.objectives}
        both = sorted(ours.keys() & losses.keys())
        if both:
            raise ValueError(f'the detector has {", ".join(both)} of its own; give the objective another name')
        return {**losses, **ours}

    def predict(self, inputs: Any, data_samples: list[BaseDataElement], **kwargs: Any) -> list[BaseDataElement]:
        """The results of the detector, with maps.

        Raises:
            ValueError: test-time augmentation, since its maps are in different frames.
        """
        if data_samples and isinstance(data_samples[0], list):
            raise ValueError('test-time augmentation gives boxes only; set predict_maps=False')
        with tapped(self.detector, self.tap) as outputs:
            results = self.detector(inputs, data_samples, mode='predict', **kwargs)
        logits = {level: bev.logits for level, bev in self._maps(outputs).items()}
        return write_predictions(self.seg_head, logits, results)

    def _maps(self, outputs: list) -> dict[str, BEVMap]:
        features = tapped_features(outputs, self.tap, self.level)
        rows, columns = features.shape[2:]
        try:
            grid = BEVGrid.from_shape(self.x_range, self.y_range, (rows, columns))
        except ValueError as error:
            raise ValueError(f'tap {self.tap!r} does not fit its point_cloud_range: {error}') from error
        return self.seg_head.maps(cut_area(features, grid, self.seg_head.grid))

    def _rig(self, data_samples: list[BaseDataElement]) -> CameraRig:
        for sample in data_samples:
            missing = [key for key in ('bev2img', 'bev2global', 'road2bev', 'frame_valid') if key not in sample]
            if missing:
                raise ValueError(
                    f'a data sample has no {", ".join(missing)}; add AdaptMultiViewImages to the pipeline, and '
                    'PackDetectionWithBEV around its last transform'
                )
            if sample.get('bev_frame', self.bev_frame) != self.bev_frame:
                raise ValueError(
                    f'sample {sample.get("sample_token")} is in the frame {sample.bev_frame!r}, the features are in '
                    f'{self.bev_frame!r}; give AdaptMultiViewImages this bev_frame'
                )
        return CameraRig.from_data_samples(data_samples)
