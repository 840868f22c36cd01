"""Tables of a report: overview, time, differences of the configs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from ssl_bev.engine.phases import phases_of
from ssl_bev.visualization.curves import phase_seconds

from .run_folder import RunFolder

ABSENT = '—'
# Work directory and start time are no differences.
PLACES = ('work_dir', 'filename', 'resume', 'launcher')


def duration(seconds: float) -> str:
    """Seconds in a readable form: 45 s, 12.3 min, 4.5 h."""
    if seconds < 120:
        return f'{seconds:.0f} s'
    return f'{seconds / 60:.1f} min' if seconds < 7200 else f'{seconds / 3600:.1f} h'


def overview(run: RunFolder) -> dict[str, str]:
    """What a run came to, in a line."""
    metric = main_metric(run)
    scores = [
        (epoch, metrics[metric]) for epoch, metrics in run.validations if metrics.get(metric) == metrics.get(metric)
    ]
    scores = [(epoch, score) for epoch, score in scores if score is not None]
    best = max(scores, key=lambda point: point[1], default=None)
    steps = max((record['steps'] for record in run.scalars), default=0)
    return {
        'metric': metric or ABSENT,
        'last': f'{100 * scores[-1][1]:.1f}' if scores else ABSENT,
        'best': f'{100 * best[1]:.1f} (epoch {best[0]})' if best else ABSENT,
        'steps': f'{steps}' if steps else ABSENT,
        'training': duration(run.scalars[-1]['seconds']) if run.scalars else ABSENT,
        'checkpoint': run.checkpoint.name if run.checkpoint else ABSENT,
    }


def main_metric(run: RunFolder) -> str | None:
    """The name of the main mIoU of a run: the shortest one of its last validation."""
    names = [name for name in (run.validations[-1][1] if run.validations else {}) if name.endswith('mIoU')]
    return min(names, key=lambda name: (len(name), name), default=None)


def timings(run: RunFolder) -> dict[str, str]:
    """Times of a run; empty if nothing was logged."""
    steps = [record for record in run.scalars if 'iter' in record and 'time' in record]
    if not steps:
        return {}
    facts = {
        'training steps': duration(run.scalars[-1]['seconds']),
        'one step': f'{median(record["time"] for record in steps):.2f} s (median)',
    }
    waits = [record['data_time'] / record['time'] for record in steps if 'data_time' in record and record['time']]
    if waits:
        facts['waiting for data'] = f'{100 * median(waits):.0f} % of a step (median)'
    phases = phases_of(run.config) if run.config is not None and 'train_cfg' in run.config else []
    if len(phases) > 1:
        parts = phase_seconds(run.scalars, phases)
        facts |= {f'phase {name}': duration(seconds) for name, seconds in parts.items() if seconds}
    memory = max((record.get('memory', 0) for record in steps), default=0)
    if memory:
        facts['memory of the device'] = f'{memory / 1024:.1f} GB at most'
    if run.wall_seconds:
        facts['all, with validation and checkpoints'] = duration(run.wall_seconds)
    return facts


def config_differences(runs: Sequence[RunFolder]) -> dict[str, list[str]]:
    """Dotted key -> its value in each run, if these differ; '—' if a run lacks it. A run without a config makes
    no difference."""
    flat = [dict(_flatten(run.config.to_dict())) if run.config is not None else None for run in runs]
    known = [values for values in flat if values is not None]
    keys = sorted({key for values in known for key in values if key.split('.')[0] not in PLACES})
    differing = [key for key in keys if len({values.get(key, ABSENT) for values in known}) > 1]
    return {key: [ABSENT if values is None else values.get(key, ABSENT) for values in flat] for key in differing}


def _flatten(node: Any, key: str = '') -> Iterator[tuple[str, str]]:
    """Leaves of nested mappings and of lists of mappings."""
    if isinstance(node, Mapping) and node:
        for name, value in node.items():
            yield from _flatten(value, f'{key}.{name}' if key else str(name))
    elif isinstance(node, list | tuple) and any(isinstance(value, Mapping) for value in node):
        for number, value in enumerate(node):
            yield from _flatten(value, f'{key}.{number}')
    else:
        yield key, repr(list(node) if isinstance(node, tuple) else node)
