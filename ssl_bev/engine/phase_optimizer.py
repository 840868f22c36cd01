"""Optimizer and schedule of a phase, built from configs."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from mmengine.runner import Runner

from .phases import PhasePlan


def build_phase_optimizer(runner: Runner, plan: PhasePlan, index: int, iterations: int) -> None:
    """Give the runner a fresh optimizer wrapper and fresh schedules for a phase.

    Args:
        index: which phase; one that keeps the optimizer's state takes the config of the phase that it keeps it from.
        iterations: length of the phase.
    """
    phase, source = plan[index], index
    while not plan[source].reset_optimizer:
        source -= 1
    config = copy.deepcopy(plan[source].optim_wrapper or runner.cfg.optim_wrapper)
    if phase.lr is not None:
        config['optimizer']['lr'] = phase.lr
    runner.optim_wrapper, runner.param_schedulers = runner.build_optim_wrapper(config), []
    runner.scale_lr(runner.optim_wrapper, runner.auto_scale_lr)

    schedules = phase.param_scheduler if phase.param_scheduler is not None else runner.cfg.get('param_scheduler')
    schedules = [schedules] if isinstance(schedules, Mapping) else list(schedules or [])
    length = {True: phase.epochs, False: iterations}
    runner.param_schedulers = runner.build_param_scheduler(
        [{'end': length[schedule.get('by_epoch', True)], **schedule} for schedule in schedules]
    )


def keep_moments(runner: Runner, old_state: Mapping) -> None:
    """Carry the moments of an optimizer's state dict over to the runner's fresh optimizer, but not its settings."""
    optimizer = runner.optim_wrapper.optimizer
    optimizer.load_state_dict({**optimizer.state_dict(), 'state': old_state['state']})
