"""Metrics by name, as tables of classes and rings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RING = re.compile(r'^(?P<name>.+)_(?P<ring>[\d.]+-[\d.]+m)$')
MEAN = 'mean'


@dataclass(frozen=True)
class MetricTable:
    """IoU of one metric.

    Args:
        prefix: of the metric, such as `bev`.
        columns: 'IoU', 'best', 'threshold' (the best one), then the rings.
        rows: class -> values in 0 .. 1 by column; the last row is the mean. None if undefined.
    """

    prefix: str
    columns: Sequence[str]
    rows: Mapping[str, Mapping[str, float | None]]


def metric_tables(metrics: Mapping[str, float]) -> list[MetricTable]:
    """A table for each metric that reports IoU, in the order of the names.

    Args:
        metrics: name -> value, from `BEVIoUMetric` and `ReprojectedIoUMetric`.
    """
    prefixes = dict.fromkeys(name.rpartition('/')[0] for name in metrics if name.rpartition('/')[2].startswith('mIoU'))
    return [_table(prefix, metrics) for prefix in prefixes]


def _table(prefix: str, metrics: Mapping[str, float]) -> MetricTable:
    own = {name.rpartition('/')[2]: value for name, value in metrics.items() if name.rpartition('/')[0] == prefix}
    rings = [match['ring'] for name in own if (match := RING.match(name)) and match['name'] == 'mIoU']
    classes = [name.removeprefix('threshold_') for name in own if name.startswith('threshold_')]
    if not classes:
        classes = [name.removeprefix('IoU_') for name in own if name.startswith('IoU_') and not RING.match(name)]
    columns = ['IoU', *(['best', 'threshold'] if 'mIoU_best' in own else []), *rings]
    rows = {}
    for name in (*classes, MEAN):
        plain, best = ('mIoU', 'mIoU_best') if name == MEAN else (f'IoU_{name}', f'IoU_best_{name}')
        keys = {'IoU': plain, 'best': best, 'threshold': f'threshold_{name}'}
        keys |= {ring: f'{plain}_{ring}' for ring in rings}
        rows[name] = {column: _defined(own.get(keys[column])) for column in columns}
    return MetricTable(prefix, columns, rows)


def _defined(value: float | None) -> float | None:
    return None if value is None or value != value else value
