"""The model inside of what distributes it."""

from __future__ import annotations

from mmengine.model import is_model_wrapper
from torch import nn


def unwrapped(model: nn.Module) -> nn.Module:
    """The model itself, where it is wrapped for several processes."""
    return model.module if is_model_wrapper(model) else model
