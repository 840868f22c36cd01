"""A map against BEV labels, and against soft targets that a tool made for each frame."""

from __future__ import annotations

from collections.abc import Mapping

from mmdet3d.registry import MODELS
from torch import Tensor

from .labels import stack_bev_labels, stack_target_maps
from .objective import Objective, Window


@MODELS.register_module()
class BEVLabelLoss(Objective):
    """The fine map of the current frame against its BEV labels; samples without labels are ignored.

    Args:
        loss: config of the loss, called as `loss(logits, target)`.
    """

    reads = 'fine'

    def __init__(self, loss: Mapping) -> None:
        super().__init__()
        self.loss_module = MODELS.build(loss)

    def loss(self, window: Window) -> Tensor:
        """The loss of the current frame."""
        bev = window.frames[-1].maps[self.reads]
        return self.loss_module(bev.logits, stack_bev_labels(window.data_samples, bev))


@MODELS.register_module()
class TargetMapLoss(Objective):
    """A map of the current frame against soft targets, see `LoadAccumulatedTargets`.

    Args:
        loss: config of the loss, called as `loss(logits, probability, weight)`.
        kind: 'accumulated' = votes of the frames of a scene, for the coarse map; 'completed' = targets that a
            `MapCompletion` made from them, for the fine map.
    """

    reads: str
    MAPS = dict(accumulated='coarse', completed='fine')

    def __init__(self, loss: Mapping, kind: str = 'accumulated') -> None:
        super().__init__()
        if kind not in self.MAPS:
            raise ValueError(f'kind must be one of {tuple(self.MAPS)}, got {kind!r}')
        self.loss_module = MODELS.build(loss)
        self.kind = kind
        self.reads = self.MAPS[kind]
        self.needs = (f'{kind}_probability', f'{kind}_weight')

    def loss(self, window: Window) -> Tensor:
        """The loss of the current frame."""
        bev = window.frames[-1].maps[self.reads]
        return self.loss_module(bev.logits, *stack_target_maps(window.data_samples, bev, self.kind))
