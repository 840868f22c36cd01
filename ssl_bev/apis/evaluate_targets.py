"""Metrics of accumulated pseudo-labels as a BEV map, the baseline for a trained model."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator

from ssl_bev.apis.inference import build_test_dataloader
from ssl_bev.engine import building, load_config
from ssl_bev.geometry import BEVGrid


def evaluate_targets(config: str | Path | Config, targets: str | Path) -> dict[str, float]:
    """Evaluate targets instead of predictions, with the test data and evaluator of the config.

    Ground that no camera observed has the probability 0.

    Args:
        config: with `test_dataloader` and `test_evaluator`.
        targets: folder of tools/accumulate_pseudo_labels.py, with targets for the test frames, on the grid of their
            BEV labels.

    Raises:
        FileNotFoundError: no config, no manifest, or no targets of a frame.
        ValueError: the config lacks test data or a test evaluator, or the targets lie on another grid.
    """
    config = load_config(config)
    if 'test_evaluator' not in config:
        raise ValueError(f'config {config.filename} has no test_evaluator')
    *pipeline, pack = config.test_dataloader.dataset.pipeline
    config.test_dataloader.dataset.pipeline = [*pipeline, dict(type='LoadAccumulatedTargets', root=str(targets)), pack]
    loader = build_test_dataloader(config)
    with building(config):
        evaluator = Evaluator(config.test_evaluator)
    evaluator.dataset_meta = loader.dataset.metainfo
    for batch in loader:
        for sample in batch['data_samples']:
            grid = BEVGrid(sample.x_range, sample.y_range, sample.cell_size)
            if sample.accumulated_grid != grid:
                raise ValueError(
                    f'targets in {targets} lie on {sample.accumulated_grid}, the BEV labels on {grid}; make them with '
                    '--x-range, --y-range and --cell-size of the labels'
                )
            sample.pred_bev_seg = torch.where(sample.accumulated_weight > 0, sample.accumulated_probability, 0) / 255
            sample.set_metainfo(dict(pred_classes=tuple(sample.accumulated_classes)))
        evaluator.process(batch['data_samples'], batch)
    return evaluator.evaluate(len(loader.dataset))
