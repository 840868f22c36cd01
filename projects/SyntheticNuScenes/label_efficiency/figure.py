"""mIoU against the share of labels, and against time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from matplotlib import colormaps
from matplotlib.figure import Figure

from .arms import ARMS, LABELS_ONLY, SETTINGS
from .summary import Row

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
            seconds = [row.seconds.mean for row in mine]
            by_label.errorbar([100 * row.fraction for row in mine], mIoU, errors, lw=1.6, **style)
            by_time.errorbar(seconds, mIoU, errors, ls='', **style)
            for row, *place in zip(mine, seconds, mIoU, strict=True):
                by_time.annotate(f'{100 * row.fraction:g} %', place, (4, 4), textcoords='offset points', fontsize=8)
        _draw_curves(curves, [r for r in records if r['setting'] in (LABELS_ONLY, setting)], CURVE[truth])
        name = f'{setting.replace("_", " ")}, {TITLES[truth]}'
        by_time.set_xlim(left=0)
        _finish(by_label, f'{name}: test towns', 'labelled scenes, %')
        _finish(by_time, f'{name}: test towns', 'seconds in all, teacher included')
        _finish(curves, f'{name}: validation towns, first seed', 'seconds, teacher included')
    figure.suptitle('Synthetic towns, threshold 0.5')
    figure.savefig(path, dpi=90)


def _draw_curves(axes, records: Sequence[Mapping], field: str) -> None:
    first = min((record['seed'] for record in records), default=0)
    for record in records:
        if record['seed'] == first:
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
    axes.legend(fontsize=8, loc='upper left', bbox_to_anchor=(0, -0.12), ncols=2)
