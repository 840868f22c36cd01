"""The project's tools as child processes: each step once, with a log and its seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from ssl_bev.files import write_text

PROJECT = Path(__file__).resolve().parents[3]
# Two trainings side by side are done sooner than one after the other with two threads. Threads that spin while they
# wait would take the core from the neighbour.
ONE_CORE = {'OMP_NUM_THREADS': '1', 'OMP_WAIT_POLICY': 'PASSIVE'}


class StepError(RuntimeError):
    """A tool failed; the message ends with the last lines of its log."""


class Steps:
    """Steps that are done once; the same calls go on where they stopped.

    Args:
        folder: for steps.json, which notes what is done and how long it took, and for logs/.
        env: additions to the environment of the tools.
    """

    def __init__(self, folder: Path, env: Mapping[str, str] = ONE_CORE) -> None:
        self.folder, self.env, self._lock = folder, env, Lock()

    def run(self, name: str, *command: object, result: Path | None = None, cores: int = 1) -> None:
        """Run `python {command}` from the project's folder, unless it is done. Not twice at the same time.

        Args:
            name: of the step and its log.
            result: what the tool makes whole or not at all: where it is, the step is done. None: the step is done once
                its tool ended well; until then that goes on where it stopped.
            cores: that the tool keeps busy.

        Raises:
            StepError: it ended with another exit code than 0.
        """
        before = read_json(self.folder / 'steps.json').get(name, {})
        if result.exists() if result else before.get('done'):
            return
        print(f'{name} ...', flush=True)
        log = self.folder / 'logs' / f'{name.replace(" ", "_").replace("/", "_")}.log'
        started, code = time.monotonic(), None
        try:
            code = launch([sys.executable, *map(str, command)], log, self.env)
        finally:
            seconds = before.get('seconds', 0.0) + cores * (time.monotonic() - started)
            with self._lock:
                path = self.folder / 'steps.json'
                write_json(path, {**read_json(path), name: {'done': code == 0, 'seconds': round(seconds, 3)}})
        if code:
            lines = log.read_text(errors='replace').splitlines()[-15:]
            raise StepError('\n'.join([*lines, f'{name} failed with exit code {code}; the whole log: {log}']))

    def seconds(self, *names: str) -> float:
        """What steps took, as seconds of one core, all tries together; not a number where one was done elsewhere."""
        noted = read_json(self.folder / 'steps.json')
        return sum(noted.get(name, {}).get('seconds', float('nan')) for name in names)


def launch(command: list[str], log: Path, env: Mapping[str, str]) -> int:
    """Run a command with its output behind that of earlier tries, and return its exit code."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, 'a') as file:
        print('$', *command, file=file, flush=True)
        env = {**os.environ, **env}
        return subprocess.run(command, cwd=PROJECT, stdout=file, stderr=subprocess.STDOUT, env=env).returncode


def read_json(path: Path) -> dict:
    """A JSON object, or an empty one where there is no file."""
    return json.loads(path.read_text()) if path.is_file() else {}


def write_json(path: Path, content: Mapping) -> None:
    """Write a JSON object, whole or not at all."""
    write_text(path, json.dumps(content, indent=1) + '\n')
