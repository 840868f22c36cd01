"""Warnings of libjpeg while it decodes: it writes them to standard error and continues with grey pixels.

OpenCV offers no other access to them, so the file descriptor is redirected to a file meanwhile. Threads share this
redirection; if there was a warning during a decoding, it is repeated alone, to find the image of the warning.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import IO, TypeVar

Result = TypeVar('Result')
_STDERR = 2
_PREFIXES = ('Corrupt JPEG data', 'Premature end of JPEG', 'Invalid SOS', 'Inconsistent progression', 'Unknown Adobe')


def decode_and_listen(decode: Callable[[], Result]) -> tuple[Result, list[str]]:
    """The result of `decode`, and the warnings of libjpeg."""
    with _capture.window(alone=False) as lines:
        result = decode()
    if lines:
        with _capture.window(alone=True) as lines:
            result = decode()
    return result, lines


class _Capture:
    """Standard error as a file while any thread is inside `window`; other lines are forwarded afterwards."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._inside = self._waiting = 0
        self._is_alone = False
        self._file: IO[bytes] | None = None
        self._stderr: int | None = None

    @contextlib.contextmanager
    def window(self, alone: bool) -> Iterator[list[str]]:
        """Yield a list that is filled at the end with the lines of libjpeg of that time."""
        lines: list[str] = []
        with self._change:
            # A thread that needs to be alone goes first; otherwise it might wait forever.
            self._waiting += alone
            self._change.wait_for(lambda: not self._is_alone and not (self._inside if alone else self._waiting))
            self._waiting -= alone
            if not self._inside:
                self._redirect()
            self._inside += 1
            self._is_alone = alone
            start = self._size()
        try:
            yield lines
        finally:
            with self._change:
                content = os.pread(self._file.fileno(), 1 << 20, start) if self._size() > start else b''
                lines += [text for text in content.decode(errors='replace').splitlines() if text.startswith(_PREFIXES)]
                self._inside -= 1
                self._is_alone = False
                if not self._inside:
                    self._restore()
                self._change.notify_all()

    def forget(self) -> None:
        """Restore standard error if it is redirected."""
        if self._inside and self._stderr is not None:
            os.dup2(self._stderr, _STDERR)

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def _redirect(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
        try:
            self._stderr = os.dup(_STDERR)
        except OSError:  # a process without standard error
            self._stderr = None
        os.lseek(self._file.fileno(), 0, os.SEEK_SET)
        os.dup2(self._file.fileno(), _STDERR)

    def _restore(self) -> None:
        if self._stderr is None:
            os.close(_STDERR)
        else:
            os.dup2(self._stderr, _STDERR)
            os.close(self._stderr)
        size = self._size()
        if not size:
            return
        content = os.pread(self._file.fileno(), size, 0)
        os.ftruncate(self._file.fileno(), 0)
        others = [line for line in content.splitlines(True) if not line.decode(errors='replace').startswith(_PREFIXES)]
        if others and self._stderr is not None:
            os.write(_STDERR, b''.join(others))


_capture = _Capture()


def _start_anew() -> None:
    """After a fork: locks of threads that no longer exist are never released, and the file belongs to the parent."""
    global _capture
    _capture.forget()
    _capture = _Capture()


os.register_at_fork(after_in_child=_start_anew)
