"""Predicted maps in data samples."""

from __future__ import annotations

from torch import Tensor

from ssl_bev.structures import BEVDataSample

from .heads import BEVSegHead


def write_predictions(
    head: BEVSegHead,
    logits: dict[str, Tensor],  # of `head`
    data_samples: list[BEVDataSample],
) -> list[BEVDataSample]:
    """Write `pred_bev_seg` with its classes and grid into the data samples, and return them."""
    probabilities, names = head.predict(logits)
    grid = head.grid
    geometry = dict(x_range=grid.x_range, y_range=grid.y_range, cell_size=grid.cell_size)
    for sample, probability in zip(data_samples, probabilities, strict=True):
        sample.set_metainfo(dict(pred_classes=names, **geometry))
        sample.pred_bev_seg = probability
    return data_samples
