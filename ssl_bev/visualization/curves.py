"""Training curves of several runs in one picture, from the scalars that mmengine logs."""

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ssl_bev.files.text_files import read_text

COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')
LINE_STYLES = ('-', '--', ':', '-.', (0, (1, 4)), (0, (8, 2, 1, 2, 1, 2)))

RunPath = str | Path


class Curve(NamedTuple):
    """Values of one scalar against training steps and seconds."""

    steps: list[float]
    seconds: list[float]
    values: list[float]


def read_scalars(path: RunPath) -> list[dict]:
    """Read what mmengine logged for a run.

    Args:
        path: a `scalars.json`, or a work directory: all its `*/vis_data/scalars.json`, oldest first. If a later
            file starts at a step of an earlier one (a resumed run), the later one counts.

    Returns:
        The records in order of training. Each has `steps` (training steps so far) and `seconds` (time that the
        logged training steps took, validation and checkpoints left out).

    Raises:
        FileNotFoundError: There is no such file, or no scalars below the directory.
        ValueError: A line is no JSON object. A last line without end, as a killed run leaves it, only causes a warning.
    """
    path = Path(path)
    files = sorted(path.glob('*/vis_data/scalars.json')) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise FileNotFoundError(f'no scalars of mmengine at {path}: give a scalars.json or the work_dir of a run')
    records: list[dict] = []
    for file in files:
        fresh = _parse(file)
        first = next((record['steps'] for record in fresh if record['steps']), 0)
        records = [record for record in records if record['steps'] < first] + fresh
    seconds = previous = 0.0
    for record in records:
        if 'iter' in record:
            seconds += record.get('time', 0.0) * max(record['steps'] - previous, 0)
            previous = record['steps']
        record['seconds'] = seconds
    return records


def plot_curves(runs: Mapping[str, RunPath], out: RunPath) -> Path:
    """Draw total loss, each loss, and mIoU against training steps and against seconds.

    Args:
        runs: name of a run to its `scalars.json` or work directory.
        out: the picture to write; its folder is created.

    Returns:
        The path of the picture.

    Raises:
        ValueError: There are no runs.
        FileNotFoundError: A run has no scalars.
    """
    if not runs:
        raise ValueError('runs must name at least one run, got none')
    logs = {name: read_scalars(path) for name, path in runs.items()}
    figure = Figure(figsize=(13, 8.5), layout='constrained')
    axes = figure.subplots(2, 2)
    components = sorted({key for records in logs.values() for key in _loss_names(records)})
    for number, (name, records) in enumerate(logs.items()):
        colour = COLOURS[number % len(COLOURS)]
        total = _curve(records, 'loss')
        axes[0, 0].plot(total.steps, total.values, color=colour, label=name)
        for style, key in enumerate(components):
            part = _curve(records, key)
            if any(part.values):  # a loss that is off in a phase leaves a gap
                visible = [value or math.nan for value in part.values]
                dashes = LINE_STYLES[style % len(LINE_STYLES)]
                axes[0, 1].plot(part.steps, visible, ls=dashes, color=colour, lw=1.2, label=f'{name}: {key}')
        score = score_curve(records, _metric_name(records))
        axes[1, 0].plot(score.steps, score.values, 'o-', color=colour, ms=4, label=name)
        axes[1, 1].plot(score.seconds, score.values, 'o-', color=colour, ms=4, label=name)
    _finish(axes[0, 0], 'total loss', 'training steps', log=True)
    _finish(axes[0, 1], 'each loss, as weighted', 'training steps', log=True)
    _finish(axes[1, 0], 'mIoU', 'training steps')
    _finish(axes[1, 1], 'mIoU', 'seconds of training steps')
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    return out


def score_curve(records: Sequence[Mapping], metric: str) -> Curve:
    """The values of a metric in the validations. Those with other classes than the last (pretraining) are left out.

    Args:
        records: from `read_scalars`.
        metric: name of the scalar.
    """
    scored = [record for record in records if metric in record]
    classes = [{key for key in record if '/IoU_' in key} for record in scored]
    return _curve([record for record, names in zip(scored, classes, strict=True) if names == classes[-1]], metric)


def phase_seconds(scalars: Sequence[Mapping], phases: Sequence[Mapping]) -> dict[str, float]:
    """Seconds of training steps by phase, from the records of `read_scalars`; validation is left out."""
    seconds, epochs, before = {}, 0, 0.0
    for phase in phases:
        epochs += phase['epochs']
        upto = max((point['seconds'] for point in scalars if point.get('epoch', epochs + 1) <= epochs), default=before)
        seconds[phase['name']], before = upto - before, upto
    return seconds


def _parse(file: Path) -> list[dict]:
    records, steps = [], 0
    lines = read_text(file, 'log').splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines) and not line.endswith('\n'):
                warnings.warn(f'{file}, line {number}: left out; the run was killed while it wrote it', stacklevel=3)
                break
            raise ValueError(f'{file}, line {number}: not a JSON object ({error})') from error
        if not isinstance(record, dict):
            raise ValueError(f'{file}, line {number}: not a JSON object, got {line[:100]}')
        for key in ('iter', 'time'):
            if not isinstance(record.get(key, 0), int | float):
                raise ValueError(f'{file}, line {number}: {key} must be a number, got {record[key]!r}')
        steps = record.get('iter', steps)  # a validation record has none and belongs to the training so far
        records.append({**record, 'steps': steps})
    return records


def _loss_names(records: list[dict]) -> set[str]:
    return {key for record in records for key in record if key.startswith('loss_')}


def _metric_name(records: list[dict]) -> str:
    names = {key for record in records for key in record if key.lower().endswith('miou')}
    return min(names, key=lambda name: (len(name), name), default='mIoU')


def _curve(records: list[dict], key: str) -> Curve:
    chosen = [record for record in records if key in record]
    return Curve(*([record[name] for record in chosen] for name in ('steps', 'seconds', key)))


def _finish(axes: Axes, title: str, x_label: str, log: bool = False) -> None:
    axes.set_title(title)
    axes.set_xlabel(x_label)
    axes.grid(alpha=0.3)
    if not axes.lines or not any(len(line.get_xdata()) for line in axes.lines):
        axes.text(0.5, 0.5, 'nothing logged', transform=axes.transAxes, ha='center', color='0.5')
        return
    axes.update_datalim([(0, 0)], updatey=not log)  # axes start at 0
    axes.autoscale_view()
    if log and not any((np.asarray(line.get_ydata()) <= 0).any() for line in axes.lines):
        axes.set_yscale('log')
    axes.legend(fontsize=8, loc='upper center', bbox_to_anchor=(0.5, -0.15))
