"""Geometry must not be rounded: bfloat16 has eight bits, which puts a point at 30 m half a cell off."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import torch
from torch import Tensor

Function = TypeVar('Function', bound=Callable)


def full_precision(function: Function) -> Function:
    """Run a function without autocast on the device of its first tensor."""

    @wraps(function)
    def wrapped(*args, **kwargs):
        device = next(value.device for value in (*args, *kwargs.values()) if isinstance(value, Tensor))
        with torch.autocast(device.type, enabled=False):
            return function(*args, **kwargs)

    return wrapped
