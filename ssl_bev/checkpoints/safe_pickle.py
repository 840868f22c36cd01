"""Stand-ins for what mmengine's checkpoints ask the unpickler for besides tensors: log buffers and numpy numbers.

torch's safe unpickler runs only what it has been told to. Telling it about `getattr`, `numpy.dtype` and the like as
they are would hand a crafted file a toolbox, so each name is answered by something that does the one thing that a
checkpoint needs: `getattr` names the statistics of a log buffer, arrays hold numbers only, buffers take numbers and
no functions.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer

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


class _Dtype:
    """Answers to `numpy.dtype`: numbers in native or fixed byte order."""

    def __init__(self, name: str, align: bool = False, copy: bool = False) -> None:
        self.dtype = np.dtype(name)
        if self.dtype.kind not in 'biufc':
            raise pickle.UnpicklingError(f'an array of dtype {name!r} holds something other than numbers')

    def __setstate__(self, state: tuple) -> None:
        _, byte_order, subarray, names, fields = state[:5]
        if byte_order not in ('<', '>', '|', '=') or (subarray, names, fields) != (None, None, None):
            raise pickle.UnpicklingError('an array holds something other than numbers')
        self.dtype = self.dtype.newbyteorder(byte_order)


class _NdarrayName:
    """Answers to `numpy.ndarray`, which pickle only hands to `_reconstruct`."""


class _Array(np.ndarray):
    """An array that takes its state from a `_Dtype`; pickled again as a plain array."""

    def __setstate__(self, state: tuple) -> None:
        version, shape, dtype, fortran, data = state
        super().__setstate__((version, shape, dtype.dtype, fortran, data))

    def __reduce__(self) -> tuple:
        return np.asarray(self).__reduce__()


def _reconstruct(subtype: type, shape: tuple, typecode: bytes) -> _Array:
    """Answers to numpy's function of this name: an empty array, whose state comes next."""
    return _Array((0,), np.int8)


def _scalar(dtype: _Dtype, data: bytes) -> np.generic:
    """Answers to numpy's `scalar`."""
    return np.frombuffer(data, dtype.dtype, count=1)[0]


def stand_ins() -> list[Callable | tuple[Callable, str]]:
    """For `torch.serialization.safe_globals`."""
    named = [
        (_Buffer, 'mmengine.logging.history_buffer.HistoryBuffer'),
        (_statistic_name, 'builtins.getattr'),
        (_Dtype, 'numpy.dtype'),
        (_NdarrayName, 'numpy.ndarray'),
    ]
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):  # numpy 1 and 2
        named += [(_reconstruct, f'{module}._reconstruct'), (_scalar, f'{module}.scalar')]
    return [*named, _Array]
