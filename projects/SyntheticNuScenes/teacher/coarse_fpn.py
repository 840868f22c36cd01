"""A feature pyramid over the coarse levels."""

from __future__ import annotations

from mmseg.models.necks import FPN
from mmseg.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class CoarseFPN(FPN):
    """Does not process the finest level, the most expensive one, which the pixel decoder of Mask2Former adds."""

    def __init__(self, **kwargs) -> None:
        super().__init__(start_level=1, **kwargs)

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Levels from fine to coarse; all but the first have `out_channels`."""
        return inputs[0], *super().forward(inputs)
