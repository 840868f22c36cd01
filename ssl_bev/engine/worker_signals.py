"""Dataloader workers that outlive a signal to the whole process group, so that the main process can still save."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import Any

from torch.utils.data import DataLoader

SECONDS_TO_LIVE = 300


class _Shielded:
    """A `worker_init_fn` that lets signals wait; then the one of before."""

    def __init__(self, function: Callable[[int], Any] | None, signals: Sequence[int]) -> None:
        self.function, self.signals = function, signals

    def __call__(self, worker_id: int) -> None:
        for number in self.signals:
            signal.signal(number, _die_later)
        if self.function is not None:
            self.function(worker_id)


def shield_workers(loader: DataLoader, signals: Sequence[int]) -> None:
    """Let workers that this loader starts from now on go on when they are signalled.

    `timeout`, job managers and `kill` with a negative number signal all processes of a job. A worker that dies of it
    takes the main process along. Workers end when the main process is done with them, or is no more; or in 5 minutes.
    """
    if not isinstance(loader.worker_init_fn, _Shielded):
        loader.worker_init_fn = _Shielded(loader.worker_init_fn, signals)


def _die_later(number: int, frame: object) -> None:
    signal.alarm(SECONDS_TO_LIVE)
