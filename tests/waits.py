"""What would make a program wait for a GPU, counted on a CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# Their result is on the host, or its size is: the host must know what the device has computed.
_READS = {
    f'aten::{name}'
    for name in (
        '_local_scalar_dense', 'equal', 'nonzero', 'masked_select', 'bincount', '_unique2', 'unique_dim',
        'unique_consecutive', '_linalg_check_errors',
    )
}  # fmt: skip
# They copy numbers of Python to the device, and such a copy waits for all that was queued before.
_MADE_OF_NUMBERS = {torch.tensor, torch.as_tensor, torch.from_numpy, Tensor.new_tensor}
_TO_HOST = {Tensor.tolist, Tensor.cpu, Tensor.numpy}


class _Operators(TorchDispatchMode):
    def __init__(self, found: Counter) -> None:
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name
        picks = name in ('aten::index', 'aten::index_put', 'aten::index_put_', 'aten::_index_put_impl_')
        if name in _READS or (picks and any(i is not None and i.dtype == torch.bool for i in args[1])):
            self.found[name] += 1
        return function(*args, **(kwargs or {}))


class _Functions(TorchFunctionMode):
    def __init__(self, found: Counter) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(self, function, types, args=(), kwargs=None):
        by_list = function is Tensor.__getitem__ and any(
            isinstance(index, list) for index in (args[1] if isinstance(args[1], tuple) else args[1:])
        )
        made = function in _MADE_OF_NUMBERS and not isinstance(args[-1], Tensor)
        if made or by_list or function in _TO_HOST:
            self.found[getattr(function, '__name__', str(function))] += 1
        return function(*args, **(kwargs or {}))


@contextmanager
def counted_waits() -> Iterator[Counter]:
    """Count, by name, the calls that would wait for a GPU."""
    found: Counter = Counter()
    with _Operators(found), _Functions(found):
        yield found
