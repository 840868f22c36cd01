"""What a prediction leaves on disk: the map as an array, and a panel to look at."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from torch import Tensor

from ssl_bev.files import write_bytes, write_png
from ssl_bev.geometry import BEVGrid, Road
from ssl_bev.structures import BEVDataSample
from ssl_bev.visualization import draw_panel


def save_prediction(
    sample: BEVDataSample,
    folder: str | Path,
) -> Path:
    """Write `{token}.npz`, whole or not at all.

    It holds `probabilities` (K, H, W) float32 (column grows with x, row with y), `classes` (K,), `x_range` and
    `y_range` in metres, `cell_size`, `bev_frame` and `sample_token`; `np.load` reads it without pickle.

    Returns:
        The path of the file.

    Raises:
        ValueError: The sample has no prediction.
    """
    _check_predicted(sample)
    content = io.BytesIO()
    np.savez_compressed(
        content,
        probabilities=sample.pred_bev_seg.detach().cpu().float().numpy(),
        classes=np.array(list(sample.pred_classes)),
        x_range=np.array(sample.x_range, np.float64),
        y_range=np.array(sample.y_range, np.float64),
        cell_size=np.float64(sample.cell_size),
        bev_frame=np.array(sample.bev_frame),
        sample_token=np.array(sample.sample_token),
    )
    path = Path(folder) / f'{sample.sample_token}.npz'
    write_bytes(path, content.getvalue())
    return path


def draw_sample(
    images: Tensor,  # (N, 3, H, W) uint8 BGR
    sample: BEVDataSample,
    title: str = '',
) -> np.ndarray:
    """Draw the panel of a predicted sample, with the truth where it has `gt_bev_seg`; missing cameras are left out.

    Args:
        images: the current frame, as `inference` yields it.
        sample: with `pred_bev_seg`.
        title: by default the scene and the sample token.

    Returns:
        (height, width, 3) uint8 BGR.

    Raises:
        ValueError: The sample has no prediction.
    """
    _check_predicted(sample)
    grid = BEVGrid(tuple(sample.x_range), tuple(sample.y_range), sample.cell_size)
    truth = {}
    if 'gt_bev_seg' in sample:
        rows = sample.gt_bev_seg.shape[-2]
        truth = {
            'truth': sample.gt_bev_seg,
            'truth_classes': list(sample.bev_classes),
            'truth_grid': grid.with_cell_size((grid.y_range[1] - grid.y_range[0]) / rows),
        }
    scene = sample.get('scene_name') or ''
    valid = sample.camera_valid[-1].tolist() if 'camera_valid' in sample else [True] * len(images)
    cameras = [n for n, there in enumerate(valid) if there]
    return draw_panel(
        [np.ascontiguousarray(images[n].permute(1, 2, 0).cpu().numpy()) for n in cameras],
        [sample.camera_names[n] for n in cameras],
        sample.pred_bev_seg,
        list(sample.pred_classes),
        grid,
        sample.bev2img[-1][cameras],
        Road(sample.road2bev, sample.get('road_heights'), sample.get('road_grid'))[-1],
        bev_frame=sample.bev_frame,
        title=title or f'{scene}  {sample.sample_token}'.strip(),
        **truth,
    )


def save_panel(
    images: Tensor,  # (N, 3, H, W) uint8 BGR
    sample: BEVDataSample,
    folder: str | Path,
) -> Path:
    """Write `panel_{token}.png`, whole or not at all, and return its path.

    Raises:
        ValueError: The sample has no prediction.
    """
    path = Path(folder) / f'panel_{sample.sample_token}.png'
    write_png(path, draw_sample(images, sample))
    return path


def _check_predicted(sample: BEVDataSample) -> None:
    if 'pred_bev_seg' not in sample:
        raise ValueError(f'sample {sample.get("sample_token")} has no pred_bev_seg; run the model on it first')
