"""The agreement of two folders of BEV labels of the same frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ssl_bev.datasets.bev_label_files import read_label, read_label_manifest
from ssl_bev.targets import IGNORE


def label_iou(folder: str | Path, truth: str | Path) -> dict[str, float]:
    """IoU of each class over all frames of `folder`, where both are known; NaN if neither folder has the class.

    Raises:
        FileNotFoundError: no manifest, or a frame that `truth` lacks.
        ValueError: folders of other classes or grids, or without labels.
    """
    manifests = [read_label_manifest(each) for each in (folder, truth)]
    for key in ('classes', 'grid', 'bev_frame'):
        if manifests[0][key] != manifests[1][key]:
            raise ValueError(f'{key} of {folder} is {manifests[0][key]}, that of {truth} is {manifests[1][key]}')
    tokens = sorted(path.stem for path in Path(folder).glob('*.png'))
    if not tokens:
        raise ValueError(f'{folder} holds no BEV labels')
    counts = np.zeros((2, len(manifests[0]['classes'])))
    for token in tokens:
        a, b = (read_label(each, token, manifest) for each, manifest in zip((folder, truth), manifests, strict=True))
        known = (a != IGNORE) & (b != IGNORE)
        counts += (known & (a & b == 1)).sum((1, 2)), (known & (a | b == 1)).sum((1, 2))
    shares = np.divide(counts[0], counts[1], out=np.full(counts.shape[1], np.nan), where=counts[1] > 0)
    return dict(zip(manifests[0]['classes'], shares.tolist(), strict=True))
