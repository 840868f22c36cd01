"""A list that worker processes share."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np


class SerialisedList(Sequence):
    """A read-only list in one buffer: forked workers share its memory, as they would not that of many objects.

    Args:
        items: anything that can be pickled. Each access gives a new copy.
    """

    def __init__(self, items: Sequence[Any]) -> None:
        pieces = [np.frombuffer(pickle.dumps(item, protocol=4), np.uint8) for item in items]
        self._ends = np.cumsum([0, *map(len, pieces)])
        self._buffer = np.concatenate([np.zeros(0, np.uint8), *pieces])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, position: int) -> Any:
        if not 0 <= position < len(self):
            raise IndexError(f'position {position} is not in [0, {len(self)})')
        return pickle.loads(self._buffer[self._ends[position] : self._ends[position + 1]].tobytes())
