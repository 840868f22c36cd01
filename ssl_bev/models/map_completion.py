"""From the accumulated pseudo-labels of a scene to the BEV map that an annotator would draw."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet3d.registry import MODELS
from mmengine.model import BaseModel
from torch import Tensor

from ssl_bev.structures import BEVDataSample

from .objectives.labels import stack_bev_labels
from .pause import Pause
from .predictions import write_predictions


@MODELS.register_module()
class MapCompletion(BaseModel):
    """Translate accumulated pseudo-labels into BEV labels, without images.

    Pseudo-labels contain paint: thin, interrupted by gaps and by vehicles, dashed or solid. Maps contain dividers:
    continuous, of one width, and a solid line may be an edge instead. A few labelled scenes are enough to learn the
    difference, since the paint itself has been found already. From the pseudo-labels of the other scenes the network
    makes targets of the BEV classes (tools/complete_maps.py), for `loss_completed`.

    Args:
        classes: of the accumulated targets, in the order of the evidence (`PackEvidence`).
        backbone: any module whose last output has the size of the label grid, such as UNet of mmseg; it takes two
            channels for each class.
        seg_head: config of `BEVSegHead`.
        loss: config of the loss of the fine classes, called as `loss(logits, target)`.

    Raises:
        ValueError: evidence of other classes.
    """

    def __init__(
        self,
        classes: Sequence[str],
        backbone: dict,
        seg_head: dict,
        loss: dict,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.classes = tuple(classes)
        self.backbone = MODELS.build(backbone)
        self.seg_head = MODELS.build(seg_head)
        self.loss_module = MODELS.build(loss)
        Pause()(self.seg_head.unread({'fine'}))

    def forward(
        self,
        inputs: dict[str, Tensor],  # evidence: (B, 2 K, H, W)
        data_samples: list[BEVDataSample],
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | list[BEVDataSample]:
        """As in mmengine: 'loss' gives losses, 'predict' data samples, 'tensor' logits."""
        for sample in data_samples:
            if tuple(sample.evidence_classes) != self.classes:
                raise ValueError(
                    f'the evidence of sample {sample.sample_token} has the classes {tuple(sample.evidence_classes)}, '
                    f'the model has {self.classes}; set classes of LoadAccumulatedTargets'
                )
        bev = self.backbone(inputs['evidence'])[-1]
        if mode == 'loss':
            fine = self.seg_head.maps(bev)['fine']
            return dict(loss_seg=self.loss_module(fine.logits, stack_bev_labels(data_samples, fine)))
        logits = self.seg_head(bev)
        if mode == 'tensor':
            return logits
        if mode == 'predict':
            return write_predictions(self.seg_head, logits, data_samples)
        raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")
