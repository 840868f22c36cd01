"""The stacked labels of a batch, checked against the map that they train."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from ssl_bev.geometry import BEVGrid
from ssl_bev.targets import IGNORE

from .objective import BEVMap


def stack_bev_labels(
    data_samples: Sequence[BaseDataElement],
    bev: BEVMap,
) -> Tensor:  # (B, K, H, W) uint8, 0, 1 or 255 = ignore
    """BEV labels of the current frames; samples without labels (in a mixed batch) are ignored.

    Classes are matched by name; a label folder may contain more than the model learns, such as lines of another width.

    Raises:
        ValueError: labels that lack a class of the map or are on another grid.
    """
    device = bev.logits.device
    unlabelled = torch.full((len(bev.classes), *bev.grid.shape), IGNORE, dtype=torch.uint8, device=device)
    labels = []
    for sample in data_samples:
        if 'gt_bev_seg' not in sample:
            labels.append(unlabelled)
            continue
        given = tuple(sample.bev_classes)
        if not set(bev.classes) <= set(given):
            _must_agree('BEV labels', sample, 'classes', given, bev.classes)
        _must_agree('BEV labels', sample, 'grid', BEVGrid(sample.x_range, sample.y_range, sample.cell_size), bev.grid)
        order = [given.index(name) for name in bev.classes]
        labels.append(torch.stack([sample.gt_bev_seg[k] for k in order]))
    return torch.stack(labels)


def stack_pseudo_labels(
    data_samples: Sequence[BaseDataElement],
    classes: Sequence[str],
    num_frames: int = 1,
) -> tuple[Tensor, Tensor]:  # (B, T', N, K, h, w), (B, T', N, h, w)
    """Targets and confidence of the windows' last T' = `num_frames` frames, see `LoadPseudoLabels`.

    Raises:
        ValueError: labels of other classes, or of fewer frames.
    """
    for sample in data_samples:
        _must_agree('pseudo-labels', sample, 'classes', tuple(sample.pseudo_classes), tuple(classes))
        if len(sample.pseudo_target) < num_frames:
            raise ValueError(
                f'sample {sample.get("sample_token")} has pseudo-labels of its last {len(sample.pseudo_target)} frames '
                f'and needs those of {num_frames}; raise num_frames of LoadPseudoLabels'
            )
    return (
        torch.stack([sample.pseudo_target[-num_frames:] for sample in data_samples]),
        torch.stack([sample.pseudo_confidence[-num_frames:] for sample in data_samples]),
    )


def stack_target_maps(
    data_samples: Sequence[BaseDataElement],
    bev: BEVMap,
    kind: str,
) -> tuple[Tensor, Tensor]:  # (B, K, H, W), (B, K, H, W), float32 0 ... 1
    """Probability and weight of the current frames' soft targets of a kind, see `LoadAccumulatedTargets`.

    Raises:
        ValueError: targets of other classes, or on another grid.
    """
    what = f'{kind} targets'
    for sample in data_samples:
        _must_agree(what, sample, 'classes', tuple(sample.get(f'{kind}_classes')), bev.classes)
        _must_agree(what, sample, 'grid', sample.get(f'{kind}_grid'), bev.grid)
    probability, weight = (
        torch.stack([sample.get(f'{kind}_{name}') for sample in data_samples]).float() / 255
        for name in ('probability', 'weight')
    )
    return probability, weight


def _must_agree(what: str, sample: BaseDataElement, name: str, given: object, expected: object) -> None:
    if given != expected:
        raise ValueError(
            f'the {what} of sample {sample.get("sample_token")} have the {name} {given}, the map has {expected}'
        )
