"""A list that processes share."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssl_bev.files.plain_pickle import load_plain


class SerialisedList(Sequence):
    """A read-only list of plain data in one buffer, which processes can share, unlike many objects.

    Each access returns a new copy, and never runs code from a pickle.

    Args:
        buffer: the pickles of all items, one after another, uint8. If it is mapped from a file, it is mapped again, not
            copied, when the list is copied or sent to another process.
        ends: where each item ends.
    """

    def __init__(self, buffer: np.ndarray, ends: np.ndarray) -> None:
        self.buffer = buffer
        self.ends = ends

    @classmethod
    def of(cls, items: Sequence[Any]) -> SerialisedList:
        """The list of these items."""
        pickles = [pickle.dumps(item, protocol=4) for item in items]
        return cls(
            np.frombuffer(b''.join(pickles), np.uint8), np.cumsum([len(item) for item in pickles], dtype=np.int64)
        )

    @classmethod
    def mapped(cls, path: str | Path, offset: int, ends: np.ndarray) -> SerialisedList:
        """The list whose buffer begins at `offset` of a file.

        Raises:
            ValueError: the file is too short.
        """
        return cls(np.memmap(path, np.uint8, 'r', offset, (int(ends[-1]),)), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, position: int) -> Any:
        if not 0 <= position < len(self):
            raise IndexError(f'position {position} is not in [0, {len(self)})')
        start = self.ends[position - 1] if position else 0
        return load_plain(self.buffer[start : self.ends[position]].tobytes())

    def __reduce__(self) -> tuple:
        if isinstance(self.buffer, np.memmap):
            return SerialisedList.mapped, (self.buffer.filename, self.buffer.offset, self.ends)
        return SerialisedList, (self.buffer, self.ends)
