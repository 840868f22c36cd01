"""The metric's results as a small text table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssl_bev.text_table import align_columns


def format_table(classes: Sequence[str], rings: Sequence[str], metrics: Mapping[str, float]) -> str:
    """One row per class and one for the mean; IoU in percent, '-' for NaN."""
    header = ['class', 'IoU@0.5', 'best', 'at', *rings]
    rows = []
    for name in (*classes, None):
        iou, best = ('mIoU', 'mIoU_best') if name is None else (f'IoU_{name}', f'IoU_best_{name}')
        threshold = '' if name is None else f'{metrics[f"threshold_{name}"]:.2f}'
        values = [metrics[f'{iou}_{ring}'] for ring in rings]
        rows.append(
            [name or 'mean', _percent(metrics[iou]), _percent(metrics[best]), threshold, *map(_percent, values)]
        )
    lines = align_columns([header, *rows])
    rule = '-' * len(lines[0])
    return '\n'.join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _percent(value: float) -> str:
    return '-' if value != value else f'{100 * value:.1f}'
