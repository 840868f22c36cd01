"""A `pickle_module` for torch.load, with an unpickler that calls and builds only known names.

From torch 2.7 on, our stand-ins can be registered with torch's own safe unpickler. In older versions they cannot, and
before 2.6 it can be made to run code (CVE-2025-32434). This unpickler knows the same names and is as strict.
"""

from __future__ import annotations

import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO

import torch
import torch._weights_only_unpickler

from ssl_bev.files.plain_pickle import PLAIN_NAMES

from .safe_pickle import stand_ins

UnpicklingError = pickle.UnpicklingError
# Opcodes that instantiate or import in ways that no checkpoint needs.
_REFUSED = (pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2, pickle.EXT4)


def _known_names() -> dict[str, Any]:
    """The names of torch's own unpickler, and the stand-ins; 2.1 lacks counters, sets and bytes."""
    pairs = [item if isinstance(item, tuple) else (item, f'{item.__module__}.{item.__name__}') for item in stand_ins()]
    known_to_torch = torch._weights_only_unpickler._get_allowed_globals()
    known_to_torch = {'collections.Counter': Counter} | known_to_torch  # milestones of a schedule
    return PLAIN_NAMES | known_to_torch | {name: stand_in for stand_in, name in pairs}


class Unpickler(pickle._Unpickler):  # the one in Python, whose opcodes can be replaced
    """Calls and builds known names only; every other name is an error."""

    dispatch = {
        code: load for code, load in pickle._Unpickler.dispatch.items() if code not in [key[0] for key in _REFUSED]
    }

    def __init__(self, file: BinaryIO, **options) -> None:
        super().__init__(file, **options)
        self._known = _known_names()

    def find_class(self, module: str, name: str) -> Any:
        whole = f'{module}.{name}'.replace('__builtin__.', 'builtins.')  # as protocol 2 calls it
        if whole not in self._known:
            raise UnpicklingError(f'it asks for {whole}')
        return self._known[whole]

    def _require_known(self, called: Any) -> Callable:
        if not any(called is known for known in self._known.values()):
            raise UnpicklingError(f'it calls {called!r}')
        return called

    def _reduce(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._require_known(self.stack[-1])(*arguments)

    def _new_object(self) -> None:
        arguments = self.stack.pop()
        kind = self._require_known(self.stack[-1])
        self.stack[-1] = kind.__new__(kind, *arguments)

    def _build(self) -> None:
        state = self.stack.pop()
        instance = self.stack[-1]
        if type(instance) is OrderedDict:
            instance.__dict__.update(state)
        elif type(instance) is torch.Tensor:
            instance.set_(*state)
        elif hasattr(self._require_known(type(instance)), '__setstate__'):
            type(instance).__setstate__(instance, state)
        else:
            raise UnpicklingError(f'it changes a {type(instance).__name__}')

    dispatch |= {pickle.REDUCE[0]: _reduce, pickle.NEWOBJ[0]: _new_object, pickle.BUILD[0]: _build}


def load(file: BinaryIO, **options) -> Any:
    """As `pickle.load`."""
    return Unpickler(file, **options).load()
