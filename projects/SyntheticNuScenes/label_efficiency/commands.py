"""The project's own tools as child processes, each with a log."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
# One thread each: two trainings side by side are done sooner than one after the other with two threads, and seconds are
# those of one core. Threads that spin while they wait would take it from the neighbour.
ONE_CORE = {'OMP_NUM_THREADS': '1', 'OMP_WAIT_POLICY': 'PASSIVE'}


class CommandError(RuntimeError):
    """A tool failed; the message ends with the last lines of its log."""


def run_tool(
    tool: str, *arguments: object, log: Path, processes: int = 1, env: Mapping[str, str] | None = None
) -> float:
    """Run tools/{tool} from the project's folder and return the seconds it took. A log of an earlier try is kept.

    Args:
        tool: file below tools/.
        arguments: of its command line.
        log: where its output goes.
        processes: that share the work, under torchrun where there is more than one.
        env: additions to the environment.

    Raises:
        CommandError: it ended with another exit code than 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    launcher = ['-m', 'torch.distributed.run', '--standalone', f'--nproc_per_node={processes}'] * (processes > 1)
    command = [sys.executable, *launcher, f'tools/{tool}', *map(str, arguments)]
    started = time.monotonic()
    with open(log, 'a') as file:
        print('$', *command, file=file, flush=True)
        code = subprocess.run(
            command, cwd=PROJECT, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **ONE_CORE, **(env or {})}
        ).returncode
    if code:
        lines = log.read_text(errors='replace').splitlines()[-15:]
        raise CommandError('\n'.join([*lines, f'tools/{tool} failed with exit code {code}; the whole log: {log}']))
    return time.monotonic() - started
