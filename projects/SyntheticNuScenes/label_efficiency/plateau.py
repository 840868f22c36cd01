"""Whether a training was long enough, and when it was as good as another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

PLATEAU_PP = 0.3


class Point(NamedTuple):
    """A validation: training steps and seconds until then (teacher and accumulation included), and mIoU (0 ... 1)."""

    step: int
    seconds: float
    mIoU: float
    mIoU_exact: float


def late_gain_pp(curve: Sequence[Point], total_steps: int) -> float:
    """What the last third of the steps added to the best mIoU before, in percentage points; 0 where it added nothing.

    Raises:
        ValueError: no validation in the last third, or none before it.
    """
    early = [point.mIoU for point in curve if 3 * point.step <= 2 * total_steps]
    late = [point.mIoU for point in curve if 3 * point.step > 2 * total_steps]
    if not early or not late:
        steps = [point.step for point in curve]
        raise ValueError(
            f'the plateau rule needs validations before and in the last third of {total_steps}, got {steps}'
        )
    return 100 * max(0.0, max(late) - max(early))


def reached_plateau(curve: Sequence[Point], total_steps: int) -> bool:
    """Whether the last third of the steps added less than `PLATEAU_PP`; raises as `late_gain_pp`."""
    return late_gain_pp(curve, total_steps) < PLATEAU_PP


def first_reaching(curve: Sequence[Point], mIoU: float) -> Point | None:
    """The first validation at which a run had at least this mIoU."""
    return next((point for point in curve if point.mIoU >= mIoU), None)
