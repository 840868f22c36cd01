"""Processes by their session, and waiting for what they do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def alive_in_session(session: int) -> list[int]:
    """The processes of a session that are no zombies."""
    found = []
    for entry in Path('/proc').iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / 'stat').read_text().rsplit(')', 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == session and fields[0] != 'Z':
                found.append(int(entry.name))
    return found


def wait_until(is_so: Callable[[], bool], seconds: float) -> bool:
    """True as soon as it is so; False if it is not so in time."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def reached(work_dir: Path, iteration: int) -> bool:
    """True when a run with a `FaultHook` has begun an iteration."""
    progress = work_dir / 'progress'
    return progress.is_file() and (progress.read_text() or '-1') >= '0' and int(progress.read_text()) >= iteration
