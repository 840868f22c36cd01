"""Modules that no loss trains are excluded from training: no gradient, no weight decay, no reduction."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn


class Pause:
    """Excludes the parameters of modules from training, and includes them again when others are paused.

    Parameters that are frozen for other reasons stay frozen. `DistributedDataParallel` counts the parameters that need
    a gradient when it wraps a model, so a model must be wrapped again when its pauses change. `TwoPhaseHook` does this.
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
