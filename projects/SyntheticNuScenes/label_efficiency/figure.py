"""mIoU against the share of labels, and against time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ssl_bev.visualization.curves import COLOURS

from .arms import ARMS, LABELS_ONLY, SETTINGS
from .summary import Row


def draw(rows: Sequence[Row], records: Sequence[Mapping], path: Path) -> None:
    """Draw a line of panels for each setting that has runs; supervised arms are in each."""
    settings = [setting for setting in SETTINGS if any(row.setting == setting for row in rows)] or [LABELS_ONLY]
    figure = Figure(figsize=(17, 4.8 * len(settings)), layout='constrained')
    panels = figure.subplots(len(settings), 3, squeeze=False)
    for setting, (by_label, by_time, curves) in zip(settings, panels, strict=True):
        shown = [row for row in rows if row.setting in (LABELS_ONLY, setting)]
        for arm in dict.fromkeys(row.arm for row in shown):
            mine = [row for row in shown if row.arm == arm]
            style = dict(color=_colour(arm), marker='o', ms=5, lw=1.6, capsize=3)
            noisy = [100 * row.noisy.mean for row in mine]
            errors = [100 * (row.noisy.spread or 0) for row in mine]
            by_label.errorbar([100 * row.fraction for row in mine], noisy, errors, label=mine[0].title, **style)
            by_time.errorbar(
                [row.seconds.mean for row in mine],
                noisy,
                errors,
                ls='',
                label=mine[0].title,
                **{key: value for key, value in style.items() if key != 'lw'},
            )
            for row in mine:
                text = f'{100 * row.fraction:g} %'
                by_time.annotate(
                    text, (row.seconds.mean, 100 * row.noisy.mean), (4, 4), textcoords='offset points', fontsize=8
                )
        _draw_curves(curves, [r for r in records if r['setting'] in (LABELS_ONLY, setting)])
        name = setting.replace('_', ' ')
        by_time.set_xlim(left=0)
        _finish(by_label, f'{name}: test towns', 'labelled scenes, %')
        _finish(by_time, f'{name}: test towns', 'seconds in all, teacher included')
        _finish(curves, f'{name}: validation towns, first seed', 'seconds, teacher included')
    figure.suptitle('Synthetic towns, published (noisy) labels, threshold 0.5')
    figure.savefig(path, dpi=110)


def _draw_curves(axes, records: Sequence[Mapping]) -> None:
    first = min((record['seed'] for record in records), default=0)
    for record in records:
        if record['seed'] == first:
            points = record['curve']
            label = f'{record["title"]}, {100 * record["fraction"]:g} %'
            line = '-' if record['fraction'] == 1 else '--' if record['fraction'] >= 0.5 else ':'
            x, y = [point['seconds'] for point in points], [100 * point['mIoU'] for point in points]
            axes.plot(x, y, line, color=_colour(record['arm']), label=label, lw=1.4)


def _colour(arm: str) -> str:
    return COLOURS[list(ARMS).index(arm) % len(COLOURS)] if arm in ARMS else '0.5'


def _finish(axes, title: str, x_label: str) -> None:
    axes.set(title=title, xlabel=x_label, ylabel='mIoU, %')
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc='lower right')
