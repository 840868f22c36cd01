"""The project's own tools as child processes, each with a log."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
# Threads that spin while they wait for each other make a step ten times as long where another program wants a core.
PATIENT = {'OMP_WAIT_POLICY': 'PASSIVE'}


class CommandError(RuntimeError):
    """A tool failed; the message ends with the last lines of its log."""


def run_tool(tool: str, *arguments: object, log: Path) -> float:
    """Run tools/{tool} from the project's folder and return the seconds it took. A log of an earlier try is kept.

    Raises:
        CommandError: it ended with another exit code than 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, f'tools/{tool}', *map(str, arguments)]
    started = time.monotonic()
    with open(log, 'a') as file:
        print('$', *command, file=file, flush=True)
        code = subprocess.run(
            command, cwd=PROJECT, stdout=file, stderr=subprocess.STDOUT, env={**PATIENT, **os.environ}
        ).returncode
    if code:
        lines = log.read_text(errors='replace').splitlines()[-15:]
        raise CommandError('\n'.join([*lines, f'tools/{tool} failed with exit code {code}; the whole log: {log}']))
    return time.monotonic() - started
