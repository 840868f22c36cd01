"""Faults at a chosen iteration of a run: an error, or a signal to itself."""

from __future__ import annotations

import os
from pathlib import Path

from mmdet3d.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook


@HOOKS.register_module()
class FaultHook(Hook):
    """On process `rank`, in iteration `iteration`: raises an error, or sends itself the signal. Notes the progress.

    Only once: a file says that it has happened, and a resumed run passes the place.
    """

    def __init__(self, iteration: int = -1, rank: int = 0, signal: int | None = None) -> None:
        self.iteration, self.rank, self.signal = iteration, rank, signal

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        done = Path(runner.work_dir) / 'fault'
        if get_rank() == 0:
            (Path(runner.work_dir) / 'progress').write_text(str(runner.iter))
        if runner.iter == self.iteration and get_rank() == self.rank and not done.exists():
            done.touch()
            if self.signal is None:
                raise RuntimeError('the process with the fault')
            os.kill(os.getpid(), self.signal)
