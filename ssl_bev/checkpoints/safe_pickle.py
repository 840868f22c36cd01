"""Stand-ins for names in mmengine's checkpoints that are no tensors: log buffers and numpy numbers.

torch's safe unpickler runs only registered names. With the real `getattr`, `numpy.dtype` and the like a crafted file
could do harm, so each name gets a stand-in that does only what a checkpoint needs: `getattr` names the statistics of a
log buffer, arrays contain only numbers, buffers take numbers and no functions.
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
        self.__class__ = HistoryBuffer  # so that it is compared and saved as its real type
        HistoryBuffer.__init__(self, values, counts, length)


def _statistic_name(owner: Any, name: str) -> str:
    """Stand-in for `getattr`, with which pickle names the methods of `HistoryBuffer`. It looks up nothing."""
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
