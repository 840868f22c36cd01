"""Resume at any iteration with the samples, random numbers and gradients of the uninterrupted run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from mmdet3d.registry import HOOKS
from mmengine.dist import broadcast, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner
from torch.utils.data import DataLoader

from .changed_length import initial_settings, replay_schedules
from .epoch_progress import EpochProgress
from .model_wrappers import unwrapped
from .process_state import ProcessState, gather_states
from .resumable_loop import ResumableEpochLoop
from .seeding import derive_seed, seed_everything
from .two_phase_hook import TwoPhaseHook

PROGRESS, GRADIENTS, BUFFERS = 'epoch_progress', 'accumulated_gradients', 'process_buffers'


@HOOKS.register_module()
class ExactResumeHook(Hook):
    """Make everything random in training a function of the position in the run, and save what mmengine leaves out.

    mmengine saves no random state and starts epochs from their beginning. With this hook each iteration and each sample
    has its own seed, a function of (seed, rank, phase, epoch of the phase, position in the epoch), for Python, numpy
    and torch, with any number of workers. Checkpoints contain the position in the epoch, accumulated gradients, and the
    buffers of each process, such as running statistics. So a run resumes from any checkpoint bit by bit, without
    reading seen samples again. The phase is that of a `TwoPhaseHook`, if there is one: fine-tuning draws the same
    numbers after pretraining in the same run as in a separate run.

    On another number of processes, or with another batch size, a run continues after the samples that were seen, with
    schedules of the new length, and warns that it cannot be the same run. On several processes, saving needs
    `SafeCheckpointHook` or `PreemptionHook`: the hook of mmengine saves only the first process.

    Raises:
        ValueError: a train loop other than over epochs, or a train dataset without indices.
    """

    priority = 'LOWEST'  # after DistSamplerSeedHook and all else that draws random numbers or saves

    def __init__(self) -> None:
        self._seed = 0
        self._seed_before_resume: int | None = None
        self._first_iteration = 0  # of the epoch
        self._resumed: EpochProgress | None = None
        self._state = ProcessState({}, {})  # to go on with
        self._gathered: list[ProcessState] | None = None  # to save
        self._fresh_settings: list[dict[str, float]] | None = None  # where schedules must be replayed

    def before_run(self, runner: Runner) -> None:
        """Remember the seed with which samplers were built; without a seed in the config, resuming changes it."""
        self._seed_before_resume = runner.seed
        if isinstance(runner._train_loop, BaseLoop):
            ResumableEpochLoop.replace(runner)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Find the position in the epoch; on another number of processes, convert it before mmengine reads it."""
        if not (runner._resume and isinstance(runner._train_loop, BaseLoop)):
            return
        meta, now = checkpoint['meta'], EpochProgress.of(runner)
        saved = EpochProgress(**meta[PROGRESS]) if PROGRESS in meta else now
        self._resumed = saved.continued_by(now)
        gradients, buffers = checkpoint.pop(GRADIENTS, []), checkpoint.pop(BUFFERS, [])
        if replace(saved, done=0) != now:
            runner.logger.warning(
                f'the checkpoint is of {saved}, this run has {now}: it cannot be the same run. It goes on in epoch '
                f'{meta["epoch"] + 1} after {self._resumed.done} batches, where as many samples were seen; schedules '
                'have the new length. The learning rate stays as the config says: adapt it if batches are larger or '
                'smaller together now' + ('; gradients that waited for an update are dropped' if gradients else '')
            )
            meta['iter'] = self._start_of(runner, meta['epoch']) + self._resumed.done
            checkpoint.pop('param_schedulers', None)
            self._fresh_settings = initial_settings(runner.optim_wrapper)
        else:
            own = (by_process[get_rank()] if by_process else {} for by_process in (gradients, buffers))
            self._state = ProcessState(*own)

    def before_train(self, runner: Runner) -> None:
        """Use the seed of rank 0 on all processes, and go to the position of the checkpoint."""
        seed = torch.tensor(runner.seed)
        broadcast(seed)
        self._seed = int(seed)
        done = self._resumed.done if self._resumed else 0
        runner.train_loop.first_batch = done
        self._first_iteration = runner.iter - done
        self._state.restore(unwrapped(runner.model))
        if self._fresh_settings is not None:
            self._replay_schedules(runner, self._fresh_settings)

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed the epoch."""
        place = self._place(runner)
        self._prepare_samplers(runner.train_loop.dataloader, place)
        runner.train_loop.epoch_seed = derive_seed(self._seed, get_rank(), *place)
        seed_everything(runner.train_loop.epoch_seed)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Seed what the model draws."""
        seed_everything(derive_seed(runner.train_loop.epoch_seed, 'iteration', batch_idx))

    def after_train_epoch(self, runner: Runner) -> None:
        """Remember where the next epoch begins."""
        self._first_iteration = runner.iter

    def before_save_on_all_processes(self, runner: Runner) -> None:
        """Gather the states of all processes."""
        self._gathered = gather_states(unwrapped(runner.model))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the position in the epoch, gradients and buffers."""
        if not isinstance(runner._train_loop, ResumableEpochLoop):
            return
        meta = checkpoint['meta']
        done = meta['iter'] - self._first_iteration if meta['epoch'] == runner.epoch else 0
        meta[PROGRESS] = EpochProgress.of(runner, done).as_dict()
        states, self._gathered = self._gathered, None
        if states is None:
            own = ProcessState.of(unwrapped(runner.model))
            states = [own.without_buffers_of(own)]
            if get_world_size() > 1 and (own.gradients or own.buffers):
                runner.logger.warning(
                    'this checkpoint lacks the gradients and running statistics of the other processes; '
                    'use SafeCheckpointHook in place of CheckpointHook'
                )
                return
        for name, by_process in zip((GRADIENTS, BUFFERS), zip(*states, strict=True), strict=True):
            if any(by_process):
                checkpoint[name] = list(by_process)

    @staticmethod
    def _phases(runner: Runner) -> TwoPhaseHook | None:
        return next((hook for hook in runner.hooks if isinstance(hook, TwoPhaseHook)), None)

    def _place(self, runner: Runner) -> tuple[str, int]:
        phases = self._phases(runner)
        if phases is None:
            return '', runner.epoch
        index, epoch = phases.plan.locate(runner.epoch)
        return phases.plan[index].name, epoch

    def _start_of(self, runner: Runner, epoch: int) -> int:
        phases = self._phases(runner)
        return phases.loaders.first_iteration_of_epoch(epoch) if phases else epoch * len(runner.train_loop.dataloader)

    def _replay_schedules(self, runner: Runner, settings: list[dict[str, float]]) -> None:
        phases = self._phases(runner)
        if phases:
            schedules, first_epoch = phases.schedules(runner)
        else:
            schedules, first_epoch = runner.cfg.get('param_scheduler') or [], 0
        first = self._start_of(runner, first_epoch)
        replay_schedules(runner, settings, schedules, runner.iter - first, runner.epoch - first_epoch)

    def _prepare_samplers(self, loader: DataLoader, place: tuple[str, int]) -> None:
        samplers: tuple[Any, Any] = (loader.sampler, getattr(loader.batch_sampler, 'sampler', None))
        for sampler in samplers:
            if hasattr(sampler, 'set_epoch'):
                sampler.set_epoch(derive_seed(*place))
                if getattr(sampler, 'seed', None) == self._seed_before_resume:
                    sampler.seed = self._seed
