"""Files of a prediction: the map as an array, and a panel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from ssl_bev.files import write_npz, write_png
from ssl_bev.structures import BEVDataSample
from ssl_bev.visualization import check_predicted, draw_sample


def save_prediction(
    sample: BEVDataSample,
    folder: str | Path,
) -> Path:
    """Write `{token}.npz`, completely or not at all.

    It contains `probabilities` (K, H, W) float32 (column grows with x, row with y), `classes` (K,), `x_range` and
    `y_range` in metres, `cell_size`, `bev_frame` and `sample_token`; `np.load` reads it without pickle.

    Returns:
        The path of the file.

    Raises:
        ValueError: The sample has no prediction.
    """
    check_predicted(sample)
    path = Path(folder) / f'{sample.sample_token}.npz'
    write_npz(
        path,
        probabilities=sample.pred_bev_seg.detach().cpu().float().numpy(),
        classes=np.array(list(sample.pred_classes)),
        x_range=np.array(sample.x_range, np.float64),
        y_range=np.array(sample.y_range, np.float64),
        cell_size=np.float64(sample.cell_size),
        bev_frame=np.array(sample.bev_frame),
        sample_token=np.array(sample.sample_token),
    )
    return path


def save_panel(
    images: Tensor,  # (N, 3, H, W) uint8 BGR
    sample: BEVDataSample,
    folder: str | Path,
) -> Path:
    """Write `panel_{token}.png`, completely or not at all, and return its path.

    Raises:
        ValueError: The sample has no prediction.
    """
    path = Path(folder) / f'panel_{sample.sample_token}.png'
    write_png(path, draw_sample(images, sample))
    return path
