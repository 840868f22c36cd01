"""The best and the worst samples of a run, as panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmdet3d.registry import METRICS
from mmengine.config import Config
from torch.utils.data import Subset
from tqdm import tqdm

from ssl_bev.apis.inference import build_test_dataloader, inference, init_model
from ssl_bev.evaluation.iou_histogram import iou_from_histogram
from ssl_bev.visualization import draw_sample


@dataclass(frozen=True)
class SampleSettings:
    """Settings of the samples of a report.

    Args:
        count: number of best samples, and of worst ones; 0: none.
        frames: number of test frames to choose from, evenly spread.
        device: of the model.
        infos: info file, instead of the test data of the config.
        data_root: folder of the images, instead of that of the config.
        show_progress: whether to draw progress bars.

    Raises:
        ValueError: a number out of range.
    """

    count: int = 2
    frames: int = 40
    device: str = 'cpu'
    infos: Path | None = None
    data_root: Path | None = None
    show_progress: bool = True

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f'the number of samples must not be negative, got {self.count}')
        if self.frames < 1:
            raise ValueError(f'the number of frames must be at least 1, got {self.frames}')


@dataclass(frozen=True)
class ShownSample:
    """One panel.

    Args:
        kind: 'best', 'worst', or 'sample' if there are no labels.
        token: of the sample.
        mean: mIoU at 0.5 in 0 .. 1, None without labels.
        classes: class -> IoU, for the classes in the labels.
        panel: (rows, columns, 3) uint8 BGR.
    """

    kind: str
    token: str
    mean: float | None
    classes: Mapping[str, float]
    panel: np.ndarray


@dataclass(frozen=True)
class RunSamples:
    """Results of a model on some test frames.

    Args:
        shown: panels, the best ones first.
        metrics: of these frames, from `BEVIoUMetric`; empty without labels.
        looked_at, available: numbers of frames.
    """

    shown: Sequence[ShownSample]
    metrics: Mapping[str, float]
    looked_at: int
    available: int


def draw_samples(
    config: Config,
    checkpoint: Path,
    settings: SampleSettings,
    tokens: Sequence[tuple[str, str]] = (),
) -> RunSamples:
    """Predict, score each frame by its mean IoU, and draw the best and the worst ones.

    Args:
        config: with `test_dataloader`.
        checkpoint: of the model.
        settings: of the samples.
        tokens: (kind, token) of samples of another run to draw instead, if the test data has all of them.

    Raises:
        FileNotFoundError: data are missing.
        ValueError: the checkpoint does not fit the config, or the config has no test data.
    """
    data = build_test_dataloader(config, settings.infos, settings.data_root).dataset
    model = init_model(config, checkpoint, settings.device)
    count = min(settings.frames, len(data))
    indices = np.unique(np.linspace(0, len(data) - 1, count).round().astype(int)).tolist()
    metric = _find_metric(config)
    found, scores = [], []
    frames = tqdm(indices, f'{checkpoint.parent.name}: predict', disable=not settings.show_progress)
    for _, (_, sample) in zip(frames, inference(model, Subset(data, indices)), strict=True):
        found.append(sample.sample_token)
        if metric is not None and 'gt_bev_seg' in sample:
            metric.process(None, [sample.to_dict()])
    if metric is not None and len(metric.results) == len(found):
        counts = metric.counts.first(len(found))
        histograms = torch.from_numpy(counts.astype(np.int64))
        scores = iou_from_histogram(histograms.sum(2))[..., metric.thresholds.index(0.5)].numpy()  # (frames, K)
    chosen = _choose(found, scores, settings.count, tokens)
    shown = []
    for kind, i in chosen:
        images, sample = next(inference(model, Subset(data, [indices[i]])))
        values = scores[i] if len(scores) else []
        names = metric.classes if len(scores) else ()
        classes = {name: float(value) for name, value in zip(names, values, strict=True) if value == value}
        mean = float(np.mean(list(classes.values()))) if classes else None
        shown.append(ShownSample(kind, found[i], mean, classes, draw_sample(images, sample)))
    metrics = metric.compute_metrics(list(counts)) if len(scores) else {}
    metrics = {f'{metric.prefix}/{name}': value for name, value in metrics.items()}
    return RunSamples(shown, metrics, len(found), len(data))


def _find_metric(config: Config):
    evaluators = config.get('test_evaluator') or []
    for settings in evaluators if isinstance(evaluators, Sequence) else [evaluators]:
        if settings.get('type') == 'BEVIoUMetric':
            return METRICS.build(settings)
    return None


def _choose(
    found: Sequence[str], scores: np.ndarray | Sequence, count: int, tokens: Sequence[tuple[str, str]]
) -> list[tuple[str, int]]:
    """Kind and position of the samples to draw."""
    if tokens and all(token in found for _, token in tokens):
        return [(kind, found.index(token)) for kind, token in tokens]
    if not len(scores):
        positions = np.unique(np.linspace(0, len(found) - 1, min(2 * count, len(found))).round().astype(int))
        return [('sample', int(i)) for i in positions]
    defined = ~np.isnan(scores).all(1)
    means = np.full(len(scores), np.nan)
    means[defined] = np.nanmean(scores[defined], 1)
    order = [int(i) for i in np.argsort(-means, kind='stable') if defined[i]]
    best = order[:count]
    worst = [i for i in reversed(order) if i not in best][:count]
    return [('best', i) for i in best] + [('worst', i) for i in worst]
