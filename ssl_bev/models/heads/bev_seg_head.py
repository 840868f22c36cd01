"""The decoder from BEV features to class logits, at two levels of a class hierarchy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule, bias_init_with_prob
from torch import Tensor, nn

from ssl_bev.geometry import BEVGrid

from ..initialization import starts_pretrained
from ..moved_arguments import refuse_moved
from ..objectives import BEVMap


@MODELS.register_module()
class BEVSegHead(BaseModule):
    """Upsample BEV features to the label grid and classify each cell into coarse and into fine classes.

    Pseudo-labels do not distinguish a lane divider from a stop line, so pretraining has fewer, *coarse* classes. Both
    class layers always exist: a checkpoint has one shape in every phase, and a phase may train both at once. When
    fine-tuning starts, `init_fine_from_coarse` copies to each fine class the row of the coarse class it belongs to.

    Args:
        in_channels: channels of the BEV features.
        grid: `BEVGrid` arguments of the label grid: x_range, y_range in metres, cell_size in metres.
        classes: fine classes, those of the BEV labels.
        coarse_classes: (coarse class, the fine classes that belong to it) in the order of the pseudo-labels. A mapping
            is possible, but mmengine sorts mappings by name when it dumps a config, and the weights follow this order.
        new_classes: fine classes that belong to no coarse class; fine-tuning starts them from new weights.
        channels: channels of the decoder.
        num_upsamples: steps between the features and the label grid; each doubles the size, except for the last, which
            resizes to the label grid.
        predict_classes: 'fine' or 'coarse', the classes of `predict`.

    Raises:
        ValueError: a fine class that is not named exactly once in `coarse_classes` and `new_classes`, an unknown name,
            or a wrong `predict_classes`.
    """

    def __init__(
        self,
        in_channels: int,
        grid: Mapping,
        classes: Sequence[str],
        coarse_classes: Sequence[tuple[str, Sequence[str]]] | Mapping[str, Sequence[str]],
        channels: int = 64,
        num_upsamples: int = 2,
        predict_classes: str = 'fine',
        new_classes: Sequence[str] = (),
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
        **moved: object,
    ) -> None:
        refuse_moved(self, moved)
        super().__init__(init_cfg)
        self.grid = BEVGrid(**grid)
        self.classes = tuple(classes)
        coarse_classes = dict(coarse_classes)
        self.coarse_classes = tuple(coarse_classes)
        self.parent = _parents(self.classes, coarse_classes, new_classes)
        if predict_classes not in ('fine', 'coarse'):
            raise ValueError(f"predict_classes must be 'fine' or 'coarse', got {predict_classes!r}")
        self.predict_classes = predict_classes

        norm_cfg = norm_cfg or dict(type='GN', num_groups=8)
        widths = [in_channels] + [channels] * (num_upsamples + 1)
        self.blocks = nn.ModuleList(ConvModule(a, b, 3, padding=1, norm_cfg=norm_cfg) for a, b in pairwise(widths))
        self.fine = nn.Conv2d(channels, len(self.classes), 1)
        self.coarse = nn.Conv2d(channels, len(self.coarse_classes), 1)

    def init_weights(self) -> None:
        super().init_weights()
        if starts_pretrained(self):
            return
        for layer in (self.fine, self.coarse):  # no evidence means no class
            nn.init.constant_(layer.get_parameter('bias'), bias_init_with_prob(0.1))

    @torch.no_grad()
    def init_fine_from_coarse(self) -> None:
        """Start each fine class from the weights of the coarse class that it belongs to."""
        for fine, coarse in enumerate(self.parent):
            if coarse is not None:
                for own, parents in zip(self.fine.parameters(), self.coarse.parameters(), strict=True):
                    own[fine] = parents[coarse]

    def forward(
        self,
        bev: Tensor,  # (B, C, h, w)
    ) -> dict[str, Tensor]:  # 'fine': (B, K, H, W), 'coarse': (B, K', H, W)
        """Class logits on the label grid.

        Raises:
            ValueError: the features have another aspect ratio than the label grid, or are too small or too large for
                it.
        """
        sizes = self._sizes(*bev.shape[2:])
        for size, block in zip(sizes, self.blocks, strict=True):
            if size != tuple(bev.shape[2:]):
                bev = F.interpolate(bev, size=size, mode='bilinear', align_corners=False)
            bev = block(bev)
        return dict(fine=self.fine(bev), coarse=self.coarse(bev))

    def _sizes(self, rows: int, columns: int) -> list[tuple[int, int]]:
        """Rows and columns at each block."""
        height, width = self.grid.shape
        steps = len(self.blocks) - 1
        sizes = [(rows * 2**step, columns * 2**step) for step in range(steps + 1)]
        fits = sizes[-1] == self.grid.shape or sizes[max(steps - 1, 0)][0] < height < sizes[-1][0]
        if not fits or rows * width != columns * height:
            raise ValueError(
                f'BEV features of {(rows, columns)} and {steps} doublings do not give the label grid {self.grid.shape} '
                '(rows, columns); check bev_shape of the encoder and num_upsamples'
            )
        return [*sizes[:-1], self.grid.shape]

    def maps(
        self,
        bev: Tensor,  # (B, C, h, w)
    ) -> dict[str, BEVMap]:
        """Both maps with their classes and their grid, as objectives read them."""
        logits = self(bev)
        names = dict(fine=self.classes, coarse=self.coarse_classes)
        return {level: BEVMap(logits[level], names[level], self.grid) for level in names}

    def unread(self, reads: Collection[str]) -> list[nn.Module]:
        """Modules that do not train if only the maps `reads` have a loss."""
        if not reads:
            return [self]
        return [layer for level, layer in (('fine', self.fine), ('coarse', self.coarse)) if level not in reads]

    def predict(self, logits: dict[str, Tensor]) -> tuple[Tensor, tuple[str, ...]]:  # (B, K, H, W), K names
        """Class probabilities and their names."""
        names = self.classes if self.predict_classes == 'fine' else self.coarse_classes
        return logits[self.predict_classes].sigmoid(), names


def _parents(
    classes: Sequence[str], coarse_classes: Mapping[str, Sequence[str]], new_classes: Sequence[str]
) -> tuple[int | None, ...]:
    if strings := [fine for fine in (*coarse_classes.values(), new_classes) if isinstance(fine, str)]:
        raise ValueError(f'fine classes of coarse_classes and new_classes must be lists of names, got {strings}')
    members = [name for fine in (*coarse_classes.values(), new_classes) for name in fine]
    if sorted(members) != sorted(classes):
        raise ValueError(
            f'coarse_classes and new_classes must name each of classes {tuple(classes)} exactly once, got the members '
            f'{tuple(members)}'
        )
    parents = {name: i for i, fine in enumerate(coarse_classes.values()) for name in fine}
    return tuple(parents.get(name) for name in classes)
