"""Timestamps of tables in microseconds, converted from other units."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from statistics import median

logger = logging.getLogger(__name__)

# Names of units and their lengths in microseconds.
UNITS = {'seconds': 1e6, 'milliseconds': 1e3, 'microseconds': 1, 'nanoseconds': 1e-3}
# The years 2001 to 2065, as microseconds since 1970: the ranges of the units do not overlap.
_EPOCH = 1e15, 3e15
# Plausible microseconds between two keyframes; the range is a factor below 1000, so that only one unit fits.
_GAP = 4e4, 3e7


def convert_timestamps(table: str, records: Iterable[dict], gaps: Iterable[float] = ()) -> None:
    """Convert all timestamps of a table to microseconds, in place, with a warning if they were in another unit.

    The unit is the one that gives plausible dates; with another origin of time, it is found from the time between
    keyframes.

    Args:
        table: name, for messages.
        records: of the table.
        gaps: differences of the timestamps of neighbouring keyframes.

    Raises:
        ValueError: a timestamp that is no finite number.
    """
    records = list(records)
    for record in records:
        value = record['timestamp']
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(
                f'table {table}, token {record["token"]!r}: timestamp must be a finite number of microseconds, got '
                f'{value!r}'
            )
    unit = _unit([record['timestamp'] for record in records], [abs(gap) for gap in gaps if gap])
    if unit == 'microseconds':
        return
    logger.warning('table %s: timestamps are in %s; taken as such, though the format has microseconds', table, unit)
    for record in records:
        record['timestamp'] = record['timestamp'] * UNITS[unit]


def keyframe_gaps(samples: Mapping[str, Mapping]) -> list[float]:
    """Differences of the timestamps of consecutive samples."""
    pairs = ((record, samples[record['next']]) for record in samples.values() if record['next'] in samples)
    values = ((first['timestamp'], second['timestamp']) for first, second in pairs)
    return [b - a for a, b in values if all(isinstance(value, int | float) for value in (a, b))]


def time_faults(times: Iterable[float]) -> int:
    """The number of times at which time does not increase."""
    return sum(b <= a for a, b in pairwise(times))


def _unit(values: list[float], gaps: list[float]) -> str:
    typical = median(values) if values else 0
    for unit, factor in UNITS.items():
        if _EPOCH[0] <= typical * factor < _EPOCH[1]:
            return unit
    gap = median(gaps) if gaps else 0
    return next((unit for unit, factor in UNITS.items() if _GAP[0] <= gap * factor < _GAP[1]), 'microseconds')
