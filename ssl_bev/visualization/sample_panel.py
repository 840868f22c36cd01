"""The panel of a predicted data sample."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ssl_bev.geometry import BEVGrid, Road
from ssl_bev.structures import BEVDataSample
from ssl_bev.visualization.panel import draw_panel


def draw_sample(
    images: Tensor,  # (N, 3, H, W) uint8 BGR
    sample: BEVDataSample,
    title: str = '',
) -> np.ndarray:
    """Draw the panel of a predicted sample, with BEV labels if it has `gt_bev_seg`; missing cameras are left out.

    Args:
        images: of the current frame, from `inference`; N = 0: maps and legend alone.
        sample: with `pred_bev_seg`.
        title: by default the scene and the sample token.

    Returns:
        (height, width, 3) uint8 BGR.

    Raises:
        ValueError: The sample has no prediction.
    """
    check_predicted(sample)
    grid = BEVGrid(tuple(sample.x_range), tuple(sample.y_range), sample.cell_size)
    truth = {}
    if 'gt_bev_seg' in sample:
        labels, names = shown_labels(sample)
        truth = {
            'truth': labels,
            'truth_classes': names,
            'truth_grid': grid.with_cell_size((grid.y_range[1] - grid.y_range[0]) / labels.shape[-2]),
        }
    scene = sample.get('scene_name') or ''
    valid = sample.camera_valid[-1].tolist() if 'camera_valid' in sample else [True] * len(images)
    cameras = [n for n, there in enumerate(valid[: len(images)]) if there]
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


def shown_labels(sample: BEVDataSample) -> tuple[Tensor, list[str]]:  # (K, H, W), K names
    """The BEV labels of the predicted classes, not those of other line widths; all if a predicted class has none."""
    names, predicted = list(sample.bev_classes), list(sample.pred_classes)
    if not set(predicted).issubset(names):
        predicted = names
    return sample.gt_bev_seg[[names.index(name) for name in predicted]], predicted


def check_predicted(sample: BEVDataSample) -> None:
    """Raise a `ValueError` that names the sample if it has no prediction."""
    if 'pred_bev_seg' not in sample:
        raise ValueError(f'sample {sample.get("sample_token")} has no pred_bev_seg; run the model on it first')
