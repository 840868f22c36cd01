"""The model inside of what distributes it."""

from __future__ import annotations

from typing import Any

from mmengine.model import is_model_wrapper
from torch import nn


def unwrapped(model: nn.Module) -> Any:
    """The model itself, if it is wrapped for several processes; of any class, so with any methods."""
    return model.module if is_model_wrapper(model) else model
