"""What each part of a recipe gives: short runs on validation towns, against the whole recipe with the same seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .arms import BEST, MORE_IMAGES
from .screening import CLASSES, percent, score
from .summary import Estimate, estimate

SHORT_NAME = 'short'
# What a run is compared with: its own arm where that is one of these, else the first.
REFERENCES = (BEST, 'paper')
PLACE = (MORE_IMAGES, 0.5)  # setting and share of labels of the references
HEAD = ('', 'seeds', 'mIoU noisy', 'mIoU exact', 'change noisy', 'change exact', *CLASSES)


def is_short(record: Mapping) -> bool:
    """Whether it is a run of `--short`, with options of its own or without."""
    return record['variant'] == SHORT_NAME or record['variant'].endswith(f'_{SHORT_NAME}')


def ablation_tables(records: Sequence[Mapping]) -> list[list[tuple[str, ...]]]:
    """For each reference that was run, rows under `HEAD`: its own first, then changes to it, the best first.

    Means and standard deviations over seeds, %, validation towns. A change is the mean over those seeds that the
    reference has too, in percentage points. The five classes are against the exact truth.
    """
    groups: dict[str, dict[tuple, list[Mapping]]] = {reference: {} for reference in REFERENCES}
    for record in records:
        if is_short(record) and 'validation' in record:
            reference = record['arm'] if record['arm'] in REFERENCES else REFERENCES[0]
            key = record['arm'], record['variant'], (record['setting'], record['fraction'])
            groups[reference].setdefault(key, []).append(record)
    tables = []
    for reference, changes in groups.items():
        if own := changes.pop((reference, SHORT_NAME, PLACE), None):
            ranked = sorted(changes.values(), key=lambda group: -score(group, 'noisy', 'mIoU').mean)
            tables.append([_row(own), *(_row(group, own) for group in ranked)])
    return tables


def _change(group: Sequence[Mapping], reference: Sequence[Mapping], truth: str) -> Estimate:
    """Of mIoU, %; not a number where no seed is common."""
    base = {record['seed']: record['validation'][truth]['mIoU'] for record in reference}
    pairs = [
        100 * (record['validation'][truth]['mIoU'] - base[record['seed']]) for record in group if record['seed'] in base
    ]
    return estimate(pairs or [math.nan])


def _elsewhere(record: Mapping) -> list[str]:
    """Setting and share of labels where they are not the references'."""
    setting, fraction = PLACE
    names = [record['setting'].replace('_', ' ')] if record['setting'] != setting else []
    return names + ([f'{100 * record["fraction"]:g} %'] if record['fraction'] != fraction else [])


def _row(group: Sequence[Mapping], reference: Sequence[Mapping] = ()) -> tuple[str, ...]:
    first = group[0]
    change = first['variant'].removesuffix(SHORT_NAME).replace('_', ' ').strip() or first['title']
    change += ''.join(f', {place}' for place in _elsewhere(first))
    return (
        change if reference else f'**{change}**',
        str(len(group)),
        *(percent(score(group, truth, 'mIoU')) for truth in ('noisy', 'exact')),
        *(_signed(_change(group, reference, truth)) if reference else '' for truth in ('noisy', 'exact')),
        *(percent(score(group, 'exact', f'IoU_{name}')._replace(spread=None)) for name in CLASSES.values()),
    )


def _signed(value: Estimate) -> str:
    spread = '' if value.spread is None else f' ± {value.spread:.1f}'
    return '-' if math.isnan(value.mean) else f'{value.mean:+.1f}{spread}'
