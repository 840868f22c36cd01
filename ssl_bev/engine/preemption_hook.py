"""Save and exit when the job is preempted."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any

import torch
from mmdet3d.registry import HOOKS
from mmengine.dist import all_reduce, barrier, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from .saving import save_whole
from .worker_signals import shield_workers

EXIT_CODE = 143  # of a process that SIGTERM ends
_SAME_SIGNAL = 2.0  # seconds in which torchrun forwards a signal that its processes got as well


@HOOKS.register_module()
class PreemptionHook(Hook):
    """After a signal: save at the next iteration, on which all processes agree, and exit with code 143.

    It is enough to signal one process. A second signal exits at once, without saving. `resume=True` continues from the
    checkpoint; with `ExactResumeHook` the result is that of an uninterrupted run. During validation a run exits at once
    if the end of the epoch is saved (with `SafeCheckpointHook`), else after it; the resumed run does not repeat this
    validation.

    Args:
        signals: their names.
        filename: of the checkpoint in the work directory; the next one replaces it.

    Raises:
        ValueError: an unknown signal, or a name that is not in a list.

    Example:
        >>> custom_hooks = [dict(type='ExactResumeHook'), dict(type='PreemptionHook')]
    """

    priority = 'LOWEST'  # when all other hooks are done with the iteration

    def __init__(self, signals: Sequence[str] = ('SIGTERM', 'SIGUSR1'), filename: str = 'preempted.pth') -> None:
        known = signal.Signals.__members__
        if isinstance(signals, str):
            raise ValueError(f'signals must be a list of names, got {signals!r}')
        if unknown := [name for name in signals if name not in known]:
            raise ValueError(f'signals must be names such as SIGTERM and SIGUSR1, got {", ".join(unknown)}')
        self.signals = [known[name] for name in signals]
        self.filename = filename
        self._received: tuple[int, float] | None = None  # which signal, and when
        self._previous: dict[int, Any] = {}
        self._process = os.getpid()
        self._saved_iteration = -1

    def before_train(self, runner: Runner) -> None:
        """Listen."""
        if threading.current_thread() is not threading.main_thread():
            runner.logger.warning('PreemptionHook hears no signals: the run is not in the main thread')
            return
        self._process = os.getpid()
        self._previous = {number: signal.signal(number, self._receive) for number in self.signals}

    def before_train_epoch(self, runner: Runner) -> None:
        """Make workers ignore signals to all processes."""
        shield_workers(runner.train_loop.dataloader, self.signals)

    def before_val_epoch(self, runner: Runner) -> None:
        """As `before_train_epoch`."""
        if self._previous:
            shield_workers(runner.val_loop.dataloader, self.signals)

    def before_save_on_all_processes(self, runner: Runner) -> None:
        """Note what needs no saving again."""
        self._saved_iteration = runner.iter

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Save and exit if any process was signalled."""
        if self._agreed():
            self._leave(runner, dict(epoch=runner.epoch, iter=runner.iter + 1))

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: Sequence | None = None
    ) -> None:
        """Exit if nothing is to be saved; with different numbers of samples, processes cannot exchange it here."""
        if self._received and self._saved_iteration == runner.iter:
            self._leave(runner, None)

    def after_val(self, runner: Runner) -> None:
        """Save the end of the epoch and exit if any process was signalled."""
        if self._previous and self._agreed():
            self._leave(runner, dict(epoch=runner.epoch, iter=runner.iter))

    def after_train(self, runner: Runner) -> None:
        """Listen no more."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _receive(self, number: int, frame: object) -> None:
        if os.getpid() != self._process:  # a child that inherited the handler
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if self._received is None:
            self._received = number, time.monotonic()
            return
        is_passed_on = 'TORCHELASTIC_RUN_ID' in os.environ and time.monotonic() - self._received[1] < _SAME_SIGNAL
        if not is_passed_on:
            for child in multiprocessing.active_children():
                child.kill()
            os._exit(EXIT_CODE)

    def _agreed(self) -> bool:
        if get_world_size() == 1:
            return self._received is not None
        flag = torch.tensor(int(self._received is not None))
        all_reduce(flag, 'max')
        return bool(flag)

    def _leave(self, runner: Runner, meta: dict | None) -> None:
        names = signal.Signals(self._received[0]).name if self._received else 'a signal to another process'
        if meta is None:
            runner.logger.warning(f'{names}: leaving; the end of the epoch is saved')
        else:
            path = save_whole(runner, runner.work_dir, self.filename, meta=meta, by_epoch=False)
            barrier()  # the first process that exits ends the others
            runner.logger.warning(f'{names}: saved {path} after {meta["iter"]} iterations; go on with --resume')
        raise SystemExit(EXIT_CODE)
