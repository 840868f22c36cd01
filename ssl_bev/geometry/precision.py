"""Full precision for geometry: the eight bits of bfloat16 move a point at 30 m by half a cell."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

Arguments = ParamSpec('Arguments')
Result = TypeVar('Result')


def full_precision(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Run a function without autocast on the device of its first tensor."""

    @wraps(function)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        device = next(value.device for value in (*args, *kwargs.values()) if isinstance(value, Tensor))
        with torch.autocast(device.type, enabled=False):
            return function(*args, **kwargs)

    return wrapped
