"""Writing checkpoints so that a crash at any time leaves a good one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.runner import Runner

from ssl_bev.checkpoints import NOTE
from ssl_bev.files import replacing, write_text


def save_whole(runner: Runner, folder: str | Path, filename: str, note: bool = True, **options: Any) -> Path:
    """Save a checkpoint completely or not at all; call it on all processes, the first one writes.

    Args:
        note: afterwards, update `last_checkpoint` in the work directory.
        options: for `runner.save_checkpoint`.

    Raises:
        OSError: the file cannot be written; earlier checkpoints are still there.
    """
    path = Path(folder) / filename
    runner.call_hook('before_save_on_all_processes')
    if is_main_process():
        with replacing(path) as temporary:
            type(runner).save_checkpoint(runner, str(folder), temporary.name, **options)
        if note:
            write_text(Path(runner.work_dir) / NOTE, str(path))
    return path


def remove_leftovers(folder: str | Path) -> None:
    """Remove the partial files of checkpoints that a killed process was writing."""
    for leftover in Path(folder).glob('.*.tmp'):
        number = leftover.name.split('.')[-2]
        if number.isdigit() and not _is_alive(int(number)):
            leftover.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
