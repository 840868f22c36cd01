"""Stand-ins for what mmengine's checkpoints ask the unpickler for besides tensors: log buffers and numpy numbers.

torch's safe unpickler runs only what it has been told to. With the real `getattr`, `numpy.dtype` and the like a crafted
file could do harm, so each name is answered by something that does the one thing that a
checkpoint needs: `getattr` names the statistics of a log buffer, arrays hold numbers only, buffers take numbers and
no functions.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer

from ssl_bev.files.plain_pickle import NUMPY_NAMES, PlainArray

_STATISTICS = ('min', 'max', 'current', 'mean')


class _Buffer(HistoryBuffer):
    """Answers to `HistoryBuffer`."""

    def __setstate__(self, state: Mapping) -> None:
        values, counts, length = state['_log_history'], state['_count_history'], state['max_length']
        if not (isinstance(values, np.ndarray) and isinstance(counts, np.ndarray) and isinstance(length, int)):
            raise pickle.UnpicklingError('a HistoryBuffer holds something other than numbers')
        self.__class__ = HistoryBuffer  # so that it is compared, and saved again, as what it is
        HistoryBuffer.__init__(self, values, counts, length)


def _statistic_name(owner: Any, name: str) -> str:
    """Answers to `getattr`, by which pickle names the methods of `HistoryBuffer`. Nothing is looked up."""
    if owner is not _Buffer or name not in _STATISTICS:
        raise pickle.UnpicklingError(f'getattr of {name!r}, which is not one of the statistics of a HistoryBuffer')
    return name


def stand_ins() -> list[Callable | tuple[Callable, str]]:
    """For `torch.serialization.safe_globals`."""
    named = [
        (_Buffer, 'mmengine.logging.history_buffer.HistoryBuffer'),
        (_statistic_name, 'builtins.getattr'),
        *((stand_in, name) for name, stand_in in NUMPY_NAMES.items()),
    ]
    return [*named, PlainArray]
