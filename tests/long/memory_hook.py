"""Notes the resident memory of a run, process by process."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path

import psutil
from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook

MEGABYTE = 2**20


@HOOKS.register_module()
class MemoryHook(Hook):
    """Writes rows of [place, MB of the main process, MB of its workers] to `memory_{what}.json`.

    Free memory goes back to the system first: what the allocator keeps varies by 40 MB from one iteration to the next.
    """

    def __init__(self) -> None:
        self.rows: dict[str, list] = {'train': [], 'val': []}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self._note('train', runner.iter)

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self._note('val', batch_idx)

    def after_run(self, runner) -> None:
        for what, rows in self.rows.items():
            (Path(runner.work_dir) / f'memory_{what}.json').write_text(json.dumps(rows))

    def _note(self, what: str, place: int) -> None:
        ctypes.CDLL(None).malloc_trim(0)
        process = psutil.Process()
        workers = sum(child.memory_info().rss for child in process.children())
        self.rows[what].append([place, process.memory_info().rss / MEGABYTE, workers / MEGABYTE])
