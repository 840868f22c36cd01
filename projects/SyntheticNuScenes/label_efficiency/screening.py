"""Choices made on validation towns: what was tried, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .summary import Estimate, estimate

CLASSES = {
    'drivable': 'drivable_area',
    'lane': 'lane_divider',
    'road': 'road_divider',
    'crossing': 'ped_crossing',
    'stop': 'stop_line',
}
HEAD = ('arm', 'images', 'labels', 'tried', 'seeds', 'mIoU noisy', 'mIoU exact', *CLASSES, 'late gain')


def screening_table(records: Sequence[Mapping]) -> list[tuple[str, ...]]:
    """Rows under `HEAD` of all finished runs, the best first: means and deviations over seeds, %, validation towns.

    The five classes are against noisy labels.
    """
    groups: dict[tuple, list[Mapping]] = {}
    for record in records:
        if 'validation' in record:
            key = record['setting'], record['arm'], record['fraction'], record['variant']
            groups.setdefault(key, []).append(record)
    ranked = sorted(groups.values(), key=lambda group: -score(group, 'noisy', 'mIoU').mean)
    return [_row(group) for group in ranked]


def tried(records: Sequence[Mapping]) -> list[Mapping]:
    """The variants, and what they are variants of."""
    varied = {_family(record) for record in records if record['variant']}
    return [record for record in records if _family(record) in varied]


def percent(value: Estimate) -> str:
    """Mean ± standard deviation."""
    spread = '' if value.spread is None else f' ± {100 * value.spread:.1f}'
    return f'{100 * value.mean:.1f}{spread}'


def points(value: Estimate) -> str:
    """The same of what is in percentage points already."""
    spread = '' if value.spread is None else f' ± {value.spread:.2f}'
    return f'{value.mean:.2f}{spread}'


def score(group: Sequence[Mapping], truth: str, name: str) -> Estimate:
    """Of validation towns, over seeds; a class that is never there counts as nothing."""
    return estimate([record['validation'][truth].get(name) or 0.0 for record in group])


def _family(record: Mapping) -> tuple:
    return record['setting'], record['arm'], record['fraction']


def _row(group: Sequence[Mapping]) -> tuple[str, ...]:
    first = group[0]
    return (
        first['title'],
        first['setting'].replace('_', ' '),
        f'{100 * first["fraction"]:g} %',
        first['variant'].replace('_', ' ') or '-',
        str(len(group)),
        *(percent(score(group, truth, 'mIoU')) for truth in ('noisy', 'exact')),
        *(percent(score(group, 'noisy', f'IoU_{name}')._replace(spread=None)) for name in CLASSES.values()),
        points(estimate([record['late_gain_pp'] for record in group])),
    )
