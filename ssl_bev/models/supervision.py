"""The labels of a batch, stacked, and checked to belong to the model that they train."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ssl_bev.geometry import BEVGrid
from ssl_bev.structures import BEVDataSample

from .losses import IGNORE


def stack_bev_labels(
    data_samples: Sequence[BEVDataSample],
    classes: tuple[str, ...],
    grid: BEVGrid,
    device: torch.device | str,
) -> Tensor:  # (B, K, H, W) uint8, 0, 1 or 255 = ignore
    """BEV labels of the current frames; samples without any (of a mixed batch) are ignored everywhere.

    Classes are found by name; a label folder may hold more than the model learns, such as lines of another width.

    Raises:
        ValueError: labels that lack a class or are on another grid.
    """
    unlabelled = torch.full((len(classes), *grid.shape), IGNORE, dtype=torch.uint8, device=device)
    labels = []
    for sample in data_samples:
        if 'gt_bev_seg' not in sample:
            labels.append(unlabelled)
            continue
        given = tuple(sample.bev_classes)
        if not set(classes) <= set(given):
            _must_agree('BEV labels', sample, 'classes', given, classes)
        _must_agree('BEV labels', sample, 'grid', BEVGrid(sample.x_range, sample.y_range, sample.cell_size), grid)
        labels.append(sample.gt_bev_seg if given == classes else sample.gt_bev_seg[[given.index(c) for c in classes]])
    return torch.stack(labels)


def stack_pseudo_labels(
    data_samples: Sequence[BEVDataSample],
    classes: tuple[str, ...],
) -> tuple[Tensor, Tensor]:  # (B, T, N, K, h, w), (B, T, N, h, w)
    """Targets and confidence of all frames of the windows.

    Raises:
        ValueError: a sample without pseudo-labels, or with other classes.
    """
    for sample in data_samples:
        if 'pseudo_target' not in sample:
            raise ValueError(
                f'the self-supervised losses need pseudo-labels, sample {sample.sample_token} has none; '
                'add LoadPseudoLabels to the pipeline'
            )
        _must_agree('pseudo-labels', sample, 'classes', tuple(sample.pseudo_classes), classes)
    return (
        torch.stack([sample.pseudo_target for sample in data_samples]),
        torch.stack([sample.pseudo_confidence for sample in data_samples]),
    )


def stack_accumulated_targets(
    data_samples: Sequence[BEVDataSample],
    classes: tuple[str, ...],
    grid: BEVGrid,
    kind: str = 'accumulated',
) -> tuple[Tensor, Tensor]:  # (B, K, H, W), (B, K, H, W), float32 0 ... 1
    """Probability and weight of the current frames' accumulated or completed targets.

    Args:
        data_samples: of the batch.
        classes: the K classes of the map that they train.
        grid: of that map.
        kind: 'accumulated', or 'completed' for maps that `MapCompletion` completed.

    Raises:
        ValueError: a sample without such targets, with other classes, or on another grid.
    """
    what = f'{kind} targets'
    for sample in data_samples:
        if f'{kind}_probability' not in sample:
            raise ValueError(
                f'loss_{kind} needs {what}, sample {sample.sample_token} has none; '
                f'add LoadAccumulatedTargets(kind={kind!r}) to the pipeline'
            )
        _must_agree(what, sample, 'classes', tuple(sample.get(f'{kind}_classes')), classes)
        _must_agree(what, sample, 'grid', sample.get(f'{kind}_grid'), grid)
    probability, weight = (
        torch.stack([sample.get(f'{kind}_{name}') for sample in data_samples]).float() / 255
        for name in ('probability', 'weight')
    )
    return probability, weight


def _must_agree(what: str, sample: BEVDataSample, name: str, given: object, expected: object) -> None:
    if given != expected:
        raise ValueError(
            f'the {what} of sample {sample.sample_token} have the {name} {given}, the segmentation head has {expected}'
        )
