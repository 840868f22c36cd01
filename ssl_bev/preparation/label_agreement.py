"""How far two folders of BEV labels of the same frames agree."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ssl_bev.datasets.bev_label_files import label_path, read_label_manifest
from ssl_bev.files import read_picture


def label_iou(folder: str | Path, truth: str | Path) -> dict[str, float]:
    """IoU of each class over all frames of `folder`; NaN where neither folder has any.

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
    bits = np.arange(len(manifests[0]['classes']), dtype=np.uint16)[:, None, None]
    counts = np.zeros((2, len(bits)))
    for token in tokens:
        a, b = (
            (read_picture(label_path(each, token), cv2.IMREAD_UNCHANGED, f'frame {token}') >> bits) & 1
            for each in (folder, truth)
        )
        counts += (a & b).sum((1, 2)), (a | b).sum((1, 2))
    shares = np.divide(counts[0], counts[1], out=np.full(len(bits), np.nan), where=counts[1] > 0)
    return dict(zip(manifests[0]['classes'], shares.tolist(), strict=True))
