"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A name beside a file to write to. At the end that takes the file's place; after an error all is as before.

    The new content is on the disk before it gets the name, so that a crash of the machine, too, leaves one of both
    whole. The folder is made where missing. A process that is killed leaves its temporary file, `.{name}.{pid}.tmp`.

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
    """Write a file whole or not at all, see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, content: str) -> None:
    """As `write_bytes`, in UTF-8."""
    write_bytes(path, content.encode())
