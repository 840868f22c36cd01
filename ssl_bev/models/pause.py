"""What no loss trains is out of training altogether: no gradient, no weight decay, nothing to reduce."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn


class Pause:
    """Takes the parameters of modules out of training, and gives them back when others are named.

    Parameters that were frozen by somebody else stay frozen. `DistributedDataParallel` counts the parameters that want
    a gradient when it wraps a model, so a model whose pauses change must be wrapped again, which `TwoPhaseHook` does.
    """

    def __init__(self) -> None:
        self._paused: list[nn.Parameter] = []

    def __call__(self, modules: Iterable[nn.Module]) -> None:
        """Pause these modules, and end the pause of all others."""
        for parameter in self._paused:
            parameter.requires_grad_(True)
        parameters = {id(p): p for module in modules for p in module.parameters() if p.requires_grad}
        self._paused = list(parameters.values())
        for parameter in self._paused:
            parameter.requires_grad_(False)
            parameter.grad = None
