"""Schedules of a run that continues with epochs of another length, as on another number of processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmengine.optim import OptimWrapper
from mmengine.runner import Runner

_INITIAL = 'initial_'


def initial_settings(optim_wrapper: OptimWrapper) -> list[dict[str, float]]:
    """Initial settings, such as the learning rate, of each parameter group of a new optimizer."""
    return [
        {key.removeprefix(_INITIAL): value for key, value in group.items() if key.startswith(_INITIAL)}
        for group in optim_wrapper.param_groups
    ]


def replay_schedules(
    runner: Runner,
    settings: Sequence[Mapping[str, float]],
    schedules: Sequence[Mapping],
    iterations: int,
    epochs: int,
) -> None:
    """Give the runner new schedules, advanced by all steps so far.

    Args:
        settings: from `initial_settings`.
        schedules: their configs.
        iterations: done since the schedules began, in epochs of the current length.
        epochs: complete ones among them.
    """
    for group, initial in zip(runner.optim_wrapper.param_groups, settings, strict=True):
        group.update(initial, **{_INITIAL + key: value for key, value in initial.items()})
    runner.param_schedulers = runner.build_param_scheduler(schedules)
    length = len(runner.train_loop.dataloader)
    for iteration in range(1, iterations + 1):
        _step(runner, by_epoch=False)
        if iteration % length == 0 and iteration <= epochs * length:
            _step(runner, by_epoch=True)


def _step(runner: Runner, by_epoch: bool) -> None:
    for schedule in runner.param_schedulers:
        if schedule.by_epoch == by_epoch:
            schedule.step()
