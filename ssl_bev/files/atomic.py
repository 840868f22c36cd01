"""Files that are there whole or not at all."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary file to write to, beside a file. At the end it replaces the file; after an error nothing changes.

    The new content is on disk before it gets the name, so that also a crash of the machine leaves the old or the new
    file complete. The folder is created if missing. A killed process leaves its temporary file, `.{name}.{pid}.tmp`.

    Raises:
        OSError: the file cannot be written, such as on a full disk; it names the file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        yield temporary
        with temporary.open('rb') as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        reason = f'cannot write {path} ({error.strerror or error}); what was there before is unchanged'
        raise OSError(error.errno, reason) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file completely or not at all, see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, content: str) -> None:
    """As `write_bytes`, in UTF-8."""
    write_bytes(path, content.encode())


def write_npz(path: str | Path, /, **arrays: np.ndarray) -> None:
    """As `write_bytes`, arrays by name in a compressed .npz."""
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_bytes(path, content.getvalue())
