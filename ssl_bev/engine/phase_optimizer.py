"""Optimizer and schedule of a phase, built from configs."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from mmengine.runner import Runner

from .phases import PhasePlan


def build_phase_optimizer(runner: Runner, plan: PhasePlan, index: int, iterations: int) -> None:
    """Give the runner a new optimizer wrapper and new schedules for a phase.

    Args:
        index: of the phase.
        iterations: length of the phase.
    """
    phase = plan[index]
    config = copy.deepcopy(phase.optim_wrapper or runner.cfg.optim_wrapper)
    if phase.lr is not None:
        config['optimizer']['lr'] = phase.lr
    runner.optim_wrapper, runner.param_schedulers = runner.build_optim_wrapper(config), []
    runner.scale_lr(runner.optim_wrapper, runner.auto_scale_lr)
    runner.param_schedulers = runner.build_param_scheduler(phase_schedules(runner, plan, index, iterations))


def phase_schedules(runner: Runner, plan: PhasePlan, index: int, iterations: int) -> list[dict]:
    """Configs of a phase's schedules, which end with the phase unless they say otherwise.

    Raises:
        ValueError: a schedule would begin after the end of the phase.
    """
    phase = plan[index]
    schedules = phase.param_scheduler if phase.param_scheduler is not None else runner.cfg.get('param_scheduler')
    schedules = [schedules] if isinstance(schedules, Mapping) else list(schedules or [])
    length = {True: (phase.epochs, 'epochs'), False: (iterations, 'iterations')}
    ended = []
    for schedule in schedules:
        end, unit = length[schedule.get('by_epoch', True)]
        ended.append({'end': end, **schedule})
        if schedule.get('begin', 0) >= ended[-1]['end']:
            raise ValueError(
                f'phase {phase.name!r} is {end} {unit} long, its {schedule["type"]} begins at {schedule["begin"]}; '
                'make the phase longer or give it a param_scheduler of its own'
            )
    return ended
