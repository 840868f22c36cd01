"""Dataloader workers that ignore a signal to all processes of a job, so that the main process can still save."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing import get_start_method
from multiprocessing.context import ForkContext, ForkProcess
from typing import Any

from torch.utils.data import DataLoader

_CAN_WAIT = hasattr(signal, 'sigwaitinfo')  # not on macOS


class _Shielded:
    """A `worker_init_fn` that ignores signals of others than the main process, then calls the previous one."""

    def __init__(self, function: Callable[[int], Any] | None, signals: Sequence[int]) -> None:
        self.function, self.signals = function, signals

    def __call__(self, worker_id: int) -> None:
        if _CAN_WAIT:
            signal.pthread_sigmask(signal.SIG_BLOCK, self.signals)
            threading.Thread(target=_obey_parent, args=(self.signals,), daemon=True).start()
        if self.function is not None:
            self.function(worker_id)


class _BlockedAtStart(ForkContext):
    """Starts processes with signals blocked, also in threads that libraries start in each forked process."""

    def __init__(self, signals: Sequence[int]) -> None:
        super().__init__()
        context = self

        class Process(ForkProcess):
            def start(self) -> None:
                before = signal.pthread_sigmask(signal.SIG_BLOCK, context.signals)
                try:
                    super().start()
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)

        self.signals = signals
        self.Process = Process  # type: ignore[misc]  # of this context alone


def shield_workers(loader: DataLoader, signals: Sequence[int]) -> None:
    """Let workers that this loader starts from now on ignore signals of others than their main process.

    `timeout`, job managers and `kill` with a negative number signal all processes of a job. If a worker dies of it, the
    main process ends before it can save. Workers still end with the main process.
    """
    if isinstance(loader.worker_init_fn, _Shielded):
        return
    loader.worker_init_fn = _Shielded(loader.worker_init_fn, signals)
    context = loader.multiprocessing_context
    is_fork = get_start_method() == 'fork' if context is None else isinstance(context, ForkContext)
    if _CAN_WAIT and is_fork and loader.num_workers:
        loader.multiprocessing_context = _BlockedAtStart(signals)


def _obey_parent(signals: Sequence[int]) -> None:
    while True:
        if signal.sigwaitinfo(signals).si_pid == os.getppid():
            os._exit(0)
