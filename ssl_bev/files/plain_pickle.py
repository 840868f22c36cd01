"""Pickles of plain data, read without running code from them.

A pickle is a program that may call anything by name. Here each name that plain data needs gets a stand-in that does
only what is needed, and every other name is an error.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


class _Dtype:
    """Stand-in for `numpy.dtype`: numbers and strings in native or fixed byte order."""

    def __init__(self, name: str, align: bool = False, copy: bool = False) -> None:
        self.dtype = np.dtype(name)
        if self.dtype.kind not in 'biufcSU':
            raise pickle.UnpicklingError(f'an array of dtype {name!r} holds something other than numbers')

    def __setstate__(self, state: tuple) -> None:
        _, byte_order, subarray, names, fields = state[:5]
        if byte_order not in ('<', '>', '|', '=') or (subarray, names, fields) != (None, None, None):
            raise pickle.UnpicklingError('an array holds something other than numbers')
        self.dtype = self.dtype.newbyteorder(byte_order)


class _NdarrayName:
    """Stand-in for `numpy.ndarray`, which pickle only passes to `_reconstruct`."""


class PlainArray(np.ndarray):
    """An array that takes its state from a `_Dtype`; pickled again as a plain array."""

    def __setstate__(self, state: tuple) -> None:
        version, shape, dtype, fortran, data = state
        super().__setstate__((version, shape, dtype.dtype, fortran, data))

    def __reduce__(self) -> tuple:
        return np.asarray(self).__reduce__()


def _reconstruct(subtype: type, shape: tuple, typecode: bytes) -> PlainArray:
    """Stand-in for numpy's function of this name: an empty array, whose state comes next."""
    return PlainArray((0,), np.int8)


def _scalar(dtype: _Dtype, data: bytes) -> np.generic:
    """Answers to numpy's `scalar`."""
    return np.frombuffer(data, dtype.dtype, count=1)[0]


def _from_buffer(data: bytes, dtype: _Dtype, shape: tuple, order: str) -> np.ndarray:
    """Stand-in for numpy's `_frombuffer`, which protocol 5 uses."""
    return np.frombuffer(data, dtype.dtype).reshape(shape, order=order)


def _encode(text: str, encoding: str) -> bytes:
    """Stand-in for `codecs.encode`, with which protocol 2 writes bytes."""
    if not isinstance(text, str) or encoding != 'latin1':
        raise pickle.UnpicklingError(f'bytes in the encoding {encoding!r}')
    return text.encode('latin1')


NUMPY_NAMES: dict[str, Callable] = {'numpy.dtype': _Dtype, 'numpy.ndarray': _NdarrayName}
for _module in ('numpy.core', 'numpy._core'):  # numpy 1 and 2
    NUMPY_NAMES |= {
        f'{_module}.multiarray._reconstruct': _reconstruct,
        f'{_module}.multiarray.scalar': _scalar,
    }
PLAIN_NAMES = {
    **NUMPY_NAMES,
    **{f'{module}.numeric._frombuffer': _from_buffer for module in ('numpy.core', 'numpy._core')},
    'collections.OrderedDict': OrderedDict,
    'builtins.set': set,
    'builtins.frozenset': frozenset,
    '_codecs.encode': _encode,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable:
        whole = f'{module}.{name}'.replace('__builtin__.', 'builtins.')  # as protocol 2 calls it
        if whole not in PLAIN_NAMES:
            raise pickle.UnpicklingError(f'it asks for {whole}, which could run code')
        return PLAIN_NAMES[whole]


def load_plain(content: bytes) -> Any:
    """Like `pickle.loads`, for containers, numbers, strings and numpy arrays of these.

    Raises:
        pickle.UnpicklingError: any other name. A damaged pickle may raise any error.
    """
    return _PlainUnpickler(io.BytesIO(content)).load()


def read_plain_pickle(path: str | Path, name: str, remedy: str) -> Any:
    """Read a pickle of containers, numbers, strings and numpy arrays of these.

    Args:
        name: what the file is, and
        remedy: what to do, for the error.

    Raises:
        ValueError: the file is damaged, no pickle, or uses any other name.
    """
    content = Path(path).read_bytes()
    try:
        return load_plain(content)
    except Exception as error:  # a damaged pickle may raise any
        raise ValueError(f'{name} {path} is no complete pickle of plain data ({error}); {remedy}') from error
