"""IoU of BEV maps: per class, over thresholds, over range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from mmdet3d.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from torch import Tensor

from ssl_bev.files.rules import suggest
from ssl_bev.geometry import BEVGrid
from ssl_bev.targets import IGNORE

from .gathering import CountRows, gather_by_token
from .iou_histogram import iou_from_histogram, iou_histogram, ring_index
from .iou_table import format_table
from .tolerance import tolerant_histogram

THRESHOLDS = (0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.65)
RINGS = ((0, 10), (10, 20), (20, 30))


@METRICS.register_module()
class BEVIoUMetric(BaseMetric):
    """Per-class IoU and mIoU at threshold 0.5, at the best threshold of each class, and at 0.5 in rings around the car.

    A cell counts as predicted if its probability is at least the threshold; cells labelled 255 do not count. Counts
    are summed over the dataset before dividing. A class without a positive cell in the ground truth has the IoU NaN, is
    left out of the mean, and is named in the log. A few hundred integers are kept per sample, so that samples which a
    distributed sampler repeats are counted once: results are the same on any number of processes.

    Reported, each after `prefix/`: mIoU, IoU_{class} (at 0.5), mIoU_best, IoU_best_{class}, threshold_{class},
    mIoU_{ring}, IoU_{class}_{ring} (at 0.5; a ring reads 0-10m), and with `chosen_thresholds` mIoU_chosen,
    IoU_chosen_{class}.

    Args:
        classes: names to report. Each is a class of prediction and ground truth, or a key of `merge`.
        thresholds: candidates for the best one.
        rings: (inner, outer) distances of cell centres from the BEV origin, metres; none or more, without overlap.
        merge: coarse class -> fine classes that make it up, if prediction or ground truth has no class of the coarse
            name: a cell is positive if any of them is; its probability is the highest of theirs.
        chosen_thresholds: class -> threshold chosen elsewhere (on validation data), reported in addition.
        tolerance: allowed distance of a cell from the ground truth in metres, see `tolerant_histogram`; below the size
            of a cell it has no effect. 0: none.
        exclusive: predict at most one class per cell, the most probable one (the first of equals), like argmax
            with a background whose probability is the threshold. The ground truth does not change.
        prefix: of the reported names.

    Raises:
        ValueError: bad arguments, unknown classes, or data samples that lack fields or do not match each other.
    """

    default_prefix = 'bev'

    def __init__(
        self,
        classes: Sequence[str],
        thresholds: Sequence[float] = THRESHOLDS,
        rings: Sequence[tuple[float, float]] = RINGS,
        merge: Mapping[str, Sequence[str]] | None = None,
        chosen_thresholds: Mapping[str, float] | None = None,
        exclusive: bool = False,
        tolerance: float = 0.0,
        prefix: str | None = None,
    ) -> None:
        super().__init__(prefix=prefix)
        self.classes = tuple(classes)
        self.rings = tuple((float(inner), float(outer)) for inner, outer in rings)
        self.merge = {name: tuple(parts) for name, parts in (merge or {}).items()}
        self.candidates = tuple(sorted({float(t) for t in thresholds}))
        self.chosen = dict(chosen_thresholds or {})
        self.exclusive = exclusive
        self.tolerance = tolerance
        self._check_arguments()
        self.thresholds = tuple(sorted({*self.candidates, *self.chosen.values(), 0.5}))
        self.ring_names = tuple(f'{inner:g}-{outer:g}m' for inner, outer in self.rings)
        self._regions: dict[BEVGrid, Tensor] = {}
        self.counts = CountRows()  # a row for each token in self.results

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count one batch.

        Args:
            data_samples: dicts with pred_bev_seg (K, H, W) probabilities, gt_bev_seg (K', H, W) of 0, 1 and 255,
                pred_classes, bev_classes, sample_token, x_range, y_range, cell_size.
        """
        for sample in data_samples:
            token = self._get(sample, 'sample_token', '')
            where = f'sample {token}'
            probability = self._get(sample, 'pred_bev_seg', where)
            target = self._get(sample, 'gt_bev_seg', where).to(probability.device)
            grid = BEVGrid(*(self._get(sample, key, where) for key in ('x_range', 'y_range', 'cell_size')))
            for key, tensor in (('pred_bev_seg', probability), ('gt_bev_seg', target)):
                if tuple(tensor.shape[1:]) != grid.shape:
                    raise ValueError(f'{where}: {key} is {tuple(tensor.shape)}, its grid {grid.shape} (rows, columns)')
            if not bool(((probability >= 0) & (probability <= 1)).all()):
                raise ValueError(f'{where}: pred_bev_seg must hold probabilities in [0, 1], without NaN')
            probability = self._select(probability, self._get(sample, 'pred_classes', where), 'pred_classes')
            if self.exclusive:
                winner = probability.argmax(0, keepdim=True)
                probability = torch.zeros_like(probability).scatter(0, winner, probability.gather(0, winner))
            target = self._select(target, self._get(sample, 'bev_classes', where), 'bev_classes')
            thresholds = torch.tensor(self.thresholds, dtype=probability.dtype, device=probability.device)
            cells = (probability, target, self._region(grid).to(target.device), len(self.rings) + 1, thresholds)
            count = (
                partial(tolerant_histogram, radius=self.tolerance / grid.cell_size) if self.tolerance else iou_histogram
            )
            self.counts.set(len(self.results), count(*cells))
            self.results.append(token)

    def evaluate(self, size: int) -> dict[str, float]:
        """Metrics of the whole dataset, the same on each process.

        Args:
            size: number of samples in the dataset.
        """
        counts = self.counts.first(len(self.results))
        histograms = gather_by_token(list(zip(self.results, counts, strict=True)), size, type(self).__name__)
        self.results.clear()
        metrics = self.compute_metrics(histograms)
        return {f'{self.prefix}/{name}': value for name, value in metrics.items()}

    def compute_metrics(self, results: list[np.ndarray]) -> dict[str, float]:
        """Metrics from the samples' histograms, and a table in the log.

        Raises:
            ValueError: no sample was evaluated.
        """
        if not results:
            raise ValueError('BEVIoUMetric has no sample to evaluate; is the validation dataset empty?')
        histogram = torch.from_numpy(np.sum(results, 0, dtype=np.int64))
        iou = iou_from_histogram(histogram.sum(1))  # (K, M)
        half = self.thresholds.index(0.5)
        tried = [self.thresholds.index(t) for t in self.candidates]
        best_iou, best = iou[:, tried].nan_to_num(-1).max(1)
        best_iou = torch.where(best_iou < 0, torch.nan, best_iou)

        metrics = self._named('IoU', iou[:, half])
        metrics |= self._named('IoU_best', best_iou)
        metrics |= {f'threshold_{name}': self.candidates[i] for name, i in zip(self.classes, best, strict=True)}
        for i, ring in enumerate(self.ring_names):
            metrics |= self._named('IoU', iou_from_histogram(histogram[:, i])[:, half], f'_{ring}')
        if self.chosen:
            column = [self.thresholds.index(self.chosen[name]) for name in self.classes]
            metrics |= self._named('IoU_chosen', iou[torch.arange(len(column)), column])

        logger = MMLogger.get_current_instance()
        logger.info(f'BEV IoU (%) of {len(results)} samples\n{format_table(self.classes, self.ring_names, metrics)}')
        absent = [name for name in self.classes if metrics[f'IoU_{name}'] != metrics[f'IoU_{name}']]
        if absent:
            logger.warning(f'not in the ground truth, IoU is NaN and left out of the mean: {", ".join(absent)}')
        return metrics

    def _named(self, name: str, values: Tensor, suffix: str = '') -> dict[str, float]:
        named = {f'm{name}{suffix}': values.nanmean().item()}
        return named | {f'{name}_{c}{suffix}': value for c, value in zip(self.classes, values.tolist(), strict=True)}

    def _select(self, maps: Tensor, names: Sequence[str], key: str) -> Tensor:
        """The reported classes from the classes of a sample; merged ones are the maximum, 255 only where none is 1."""
        selected = []
        for name in self.classes:
            parts = (name,) if name in names else self.merge.get(name, (name,))
            for part in parts:
                if part not in names:
                    raise ValueError(f'class {part!r} of BEVIoUMetric is not in {key}; {suggest(part, names)}')
            stack = maps[[list(names).index(part) for part in parts]]
            if stack.is_floating_point():
                selected.append(stack.amax(0))
            else:
                merged = torch.where((stack == IGNORE).any(0), IGNORE, 0).to(stack.dtype)
                selected.append(torch.where((stack == 1).any(0), torch.ones_like(merged), merged))
        return torch.stack(selected)

    def _region(self, grid: BEVGrid) -> Tensor:
        if grid not in self._regions:
            self._regions[grid] = ring_index(grid.cell_centers(dtype=torch.float64), self.rings)
        return self._regions[grid]

    def _check_arguments(self) -> None:
        if not self.classes or len(set(self.classes)) < len(self.classes):
            raise ValueError(f'classes must be different names, at least one, got {self.classes}')
        if not self.candidates:
            raise ValueError('thresholds must name at least one threshold')
        if self.tolerance < 0:
            raise ValueError(f'tolerance must not be negative (metres), got {self.tolerance}')
        for threshold in (*self.candidates, *self.chosen.values()):
            if not 0 < threshold < 1:
                raise ValueError(f'thresholds must lie between 0 and 1, got {threshold}')
        for (inner, outer), following in zip(self.rings, [*self.rings, (float('inf'), 0)][1:], strict=True):
            if not 0 <= inner < outer or outer > following[0]:
                raise ValueError(f'rings must be (inner, outer), ascending, without overlap, got {self.rings}')
        for argument, names in (('merge', self.merge), ('chosen_thresholds', self.chosen)):
            unused = [name for name in names if name not in self.classes]
            if unused:
                raise ValueError(f'{argument} names {unused}, which are not among classes {self.classes}')
        if self.chosen and len(self.chosen) < len(self.classes):
            raise ValueError(f'chosen_thresholds must name all classes {self.classes}, got {tuple(self.chosen)}')

    @staticmethod
    def _get(sample: dict, key: str, where: str) -> Any:
        if key not in sample:
            raise ValueError(
                f'{where or "a data sample"} has no {key}, which BEVIoUMetric needs; it has {sorted(sample)}'
            )
        return sample[key]
