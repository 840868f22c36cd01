"""The hidden folder that a long run writes to until it is complete."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def staging_folder(out: Path, name: str, inputs: Mapping) -> Iterator[Path]:
    """Yield the folder `out / name`, which is removed afterwards: move results out of it.

    A failed run leaves nothing. A killed or interrupted run leaves the folder, and the next run with the same inputs
    continues with its content; with other inputs it starts with an empty one.

    Args:
        out: created if missing.
        name: name of the hidden folder.
        inputs: everything that the result depends on; must be JSON.

    Raises:
        ValueError: another run is using the folder.
    """
    folder = out / name
    out_is_new = not out.exists()
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        record = json.dumps(inputs, sort_keys=True)
        record_file = folder / 'inputs.json'
        if record_file.is_file() and record_file.read_text() == record:
            logger.info('%s: continuing the run that was interrupted', folder)
        else:
            _clear(folder)
            record_file.write_text(record)
        try:
            yield folder
        except Exception:
            _remove(folder, out if out_is_new else None)
            raise
        _remove(folder, None)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f'--out: another run is writing to {folder.parent}; wait for it, or stop it') from error
        except OSError as error:
            logger.warning('%s cannot be locked (%s); start no second run', folder, error)
        yield
    finally:
        os.close(handle)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _remove(folder: Path, new_parent: Path | None) -> None:
    shutil.rmtree(folder)
    if new_parent is not None and not any(new_parent.iterdir()):
        new_parent.rmdir()
