"""mIoU against the share of labels, and against time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import nan
from pathlib import Path

from matplotlib import colormaps
from matplotlib.figure import Figure

from .arms import ARMS, LABELS_ONLY, SETTINGS
from .summary import BASELINE, Row

# Field of a validation point, by truth.
CURVE = dict(noisy='mIoU', exact='mIoU_exact')
TITLES = dict(noisy='published labels', exact='exact truth')


def draw(rows: Sequence[Row], records: Sequence[Mapping], path: Path) -> None:
    """Draw a line of panels for each truth and setting that has runs; supervised arms are in each."""
    settings = [setting for setting in SETTINGS if any(row.setting == setting for row in rows)] or [LABELS_ONLY]
    lines = list(product(settings, TITLES))
    figure = Figure(figsize=(17, 5.6 * len(lines)), layout='constrained')
    panels = figure.subplots(len(lines), 3, squeeze=False)
    for (setting, truth), (by_label, by_time, curves) in zip(lines, panels, strict=True):
        shown = [row for row in rows if row.setting in (LABELS_ONLY, setting)]
        for arm in dict.fromkeys(row.arm for row in shown):
            mine = [row for row in shown if row.arm == arm]
            style = dict(color=_colour(arm), marker='o', ms=5, capsize=3, label=mine[0].title)
            estimates = [getattr(row, truth) for row in mine]
            mIoU, errors = [100 * each.mean for each in estimates], [100 * (each.spread or 0) for each in estimates]
            by_label.errorbar([100 * row.fraction for row in mine], mIoU, errors, lw=1.6, **style)
            by_time.errorbar([row.time_ratio or nan for row in mine], mIoU, errors, ls='', **style)
            for row, y in zip(mine, mIoU, strict=True):
                if row.time_ratio:
                    place = (row.time_ratio, y)
                    by_time.annotate(f'{100 * row.fraction:g} %', place, (4, 4), textcoords='offset points', fontsize=8)
        draw_curves(curves, [r for r in records if r['setting'] in (LABELS_ONLY, setting)], CURVE[truth])
        name = f'{setting.replace("_", " ")}, {TITLES[truth]}'
        by_time.set_xlim(0, 1.2 * max((row.time_ratio or 0 for row in shown), default=0) or 1)
        _finish(by_label, f'{name}: test towns', 'labelled scenes, %')
        _finish(by_time, f'{name}: test towns', 'time in all, teacher included, over that of supervised, 100 %')
        _finish(curves, f'{name}: validation towns, first seed', 'seconds, teacher included')
        _explain(by_label)
        _explain(curves)
    figure.suptitle('Synthetic towns, threshold 0.5')
    figure.savefig(path, dpi=90)


def draw_curves(axes, records: Sequence[Mapping], field: str) -> None:
    """Draw the first seed's curves over time, of one series of runs, the baseline's: other seconds tell nothing."""
    first = min((record['seed'] for record in records), default=0)
    records = [record for record in records if record['seed'] == first]
    reference = [record for record in records if (record['arm'], record['fraction']) == (BASELINE, 1)] or records
    for record in records:
        if record['conditions']['series'] == reference[0]['conditions']['series']:
            points = record['curve']
            label = f'{record["title"]}, {100 * record["fraction"]:g} %'
            line = '-' if record['fraction'] == 1 else '--' if record['fraction'] >= 0.5 else ':'
            x, y = [point['seconds'] for point in points], [100 * point[field] for point in points]
            axes.plot(x, y, line, color=_colour(record['arm']), label=label, lw=1.4)


def _colour(arm: str) -> tuple[float, ...] | str:
    return colormaps['tab20'](list(ARMS).index(arm)) if arm in ARMS else '0.5'


def _finish(axes, title: str, x_label: str) -> None:
    axes.set(title=title, xlabel=x_label, ylabel='mIoU, %')
    axes.grid(alpha=0.3)


def _explain(axes) -> None:
    axes.legend(fontsize=8, loc='upper left', bbox_to_anchor=(0, -0.12))
