"""Frequencies of the classes in a folder of BEV labels, and loss weights computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ssl_bev.datasets.bev_label_files import read_label, read_label_manifest
from ssl_bev.targets import IGNORE


def class_frequencies(folder: str | Path, sample_interval: int = 1) -> dict[str, float]:
    """The fraction of the known cells that have each class.

    Args:
        folder: BEV labels of tools/create_data.py.
        sample_interval: read every n-th file.

    Raises:
        FileNotFoundError: no manifest.
        ValueError: no labels, or an interval below 1.
    """
    if sample_interval < 1:
        raise ValueError(f'sample_interval must be at least 1, got {sample_interval}')
    manifest = read_label_manifest(folder)
    paths = sorted(Path(folder).glob('*.png'))[::sample_interval]
    if not paths:
        raise ValueError(f'{folder} holds no BEV labels')
    there, known = np.zeros((2, len(manifest['classes'])))
    for path in paths:
        labels = read_label(folder, path.stem, manifest)
        there += (labels == 1).sum((1, 2))
        known += (labels != IGNORE).sum((1, 2))
    return dict(zip(manifest['classes'], (there / np.maximum(known, 1)).tolist(), strict=True))


def positive_weights(
    frequencies: Mapping[str, float],
    power: float = 0.5,
    highest: float = 30.0,
) -> dict[str, float]:
    """Factors of positive cells: ((1 - f) / f)^power, but at least 1, and at most `highest`.

    Power 1 gives positive and negative cells of a class the same total weight; 0.5, about 1 / sqrt(f), causes fewer
    false positives. A class that never occurs gets `highest`.

    Raises:
        ValueError: `power` is negative, or `highest` below 1.
    """
    if not power >= 0:
        raise ValueError(f'power must be at least 0, got {power}')
    if not highest >= 1:
        raise ValueError(f'highest must be at least 1, the weight of frequent classes, got {highest}')
    share = np.clip(np.array(list(frequencies.values())), 1e-12, 1)
    weights = np.clip(((1 - share) / share) ** power, 1, highest)
    return dict(zip(frequencies, weights.tolist(), strict=True))
