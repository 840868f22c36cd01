"""Means and spreads over seeds, and ratios of time to the supervised baseline on the same machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean, stdev
from typing import NamedTuple

from .arms import ARMS, LABELS_ONLY
from .plateau import PLATEAU_PP, Point, first_reaching

BASELINE = 'supervised'


class Estimate(NamedTuple):
    """Mean over seeds, and their standard deviation; None where one seed has none."""

    mean: float
    spread: float | None


class Row(NamedTuple):
    """What several seeds of an arm gave with the same share of labels. IoU on test towns, 0 ... 1.

    Attributes:
        noisy, noisy_chosen: mIoU against published labels, at 0.5 and at thresholds chosen on validation towns.
        exact, exact_chosen: the same against the truth.
        seconds: of everything: teacher, accumulation and all phases.
        frames: of six images, forward through a network: the teacher's and those of training (with backward).
        time_ratio: seconds over those of the supervised baseline with all labels and the same seed; of the seeds whose
            baseline ran in the same series, None where there is none.
        time_to_baseline: of these seeds, seconds until validation mIoU came within `PLATEAU_PP` of the baseline's best,
            over the baseline's own until then; None where one never came there.
        late_gain_pp: see `plateau`.
    """

    setting: str
    arm: str
    title: str
    fraction: float
    seeds: tuple[int, ...]
    noisy: Estimate
    noisy_chosen: Estimate
    exact: Estimate
    exact_chosen: Estimate
    seconds: Estimate
    frames: float
    time_ratio: float | None
    time_to_baseline: float | None
    late_gain_pp: Estimate


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and sample standard deviation."""
    return Estimate(mean(values), stdev(values) if len(values) > 1 else None)


def summarise(records: Iterable[Mapping]) -> list[Row]:
    """One row for each setting, arm and fraction, of the records with a test; variants of screening are left out."""
    tested = [record for record in records if 'test' in record and not record['variant']]
    baselines = {record['seed']: record for record in tested if record['arm'] == BASELINE and record['fraction'] == 1}
    groups: dict[tuple, list[Mapping]] = {}
    for record in tested:
        groups.setdefault((record['setting'], record['arm'], record['fraction']), []).append(record)
    order = {name: number for number, name in enumerate(ARMS)}
    rows = [_row(sorted(group, key=lambda r: r['seed']), baselines) for group in groups.values()]
    return sorted(rows, key=lambda r: (r.setting != LABELS_ONLY, r.setting, order.get(r.arm, len(order)), -r.fraction))


def _row(group: Sequence[Mapping], baselines: Mapping[int, Mapping]) -> Row:
    first = group[0]
    totals = [total_seconds(record) for record in group]
    pairs = [(own, base) for own in group if (base := _comparable(own, baselines.get(own['seed'])))]
    return Row(
        setting=first['setting'],
        arm=first['arm'],
        title=first['title'],
        fraction=first['fraction'],
        seeds=tuple(record['seed'] for record in group),
        noisy=estimate([record['test']['noisy']['mIoU'] for record in group]),
        noisy_chosen=estimate([record['test']['noisy']['mIoU_chosen'] for record in group]),
        exact=estimate([record['test']['exact']['mIoU'] for record in group]),
        exact_chosen=estimate([record['test']['exact']['mIoU_chosen'] for record in group]),
        seconds=estimate(totals),
        frames=mean(sum(record['passes'].values()) for record in group),
        time_ratio=_mean_or_none([total_seconds(own) / total_seconds(base) for own, base in pairs]),
        time_to_baseline=_mean_or_none([time_to_baseline(own, base) for own, base in pairs]),
        late_gain_pp=estimate([record['late_gain_pp'] for record in group]),
    )


def _comparable(record: Mapping, baseline: Mapping | None) -> Mapping | None:
    """The baseline, if its times are of the same machine and series of runs."""
    same = baseline and record['conditions']['series'] == baseline['conditions']['series']
    return baseline if same else None


def total_seconds(record: Mapping) -> float:
    """Seconds of all parts of a run."""
    return sum(record['seconds'].values())


def time_to_baseline(record: Mapping, baseline: Mapping) -> float | None:
    """Ratio of the seconds until both came within `PLATEAU_PP` of the baseline's best; None: the run never did."""
    own, base = ([Point(**point) for point in r['curve']] for r in (record, baseline))
    target = max(point.mIoU for point in base) - PLATEAU_PP / 100
    reached = first_reaching(own, target)
    return reached and reached.seconds / first_reaching(base, target).seconds


def _mean_or_none(values: Sequence[float | None]) -> float | None:
    return mean(values) if values and None not in values else None
