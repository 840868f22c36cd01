"""The state of each process in the middle of a run: accumulated gradients and running statistics."""

from __future__ import annotations

from typing import NamedTuple

import torch
from mmengine.dist import gather_object
from torch import Tensor, nn


class ProcessState(NamedTuple):
    """Tensors by the name of the parameter or buffer, on the CPU."""

    gradients: dict[str, Tensor]
    buffers: dict[str, Tensor]

    @classmethod
    def of(cls, model: nn.Module) -> ProcessState:
        """That of this process."""
        gradients = {name: p.grad.cpu().clone() for name, p in model.named_parameters() if p.grad is not None}
        return cls(gradients, {name: buffer.cpu().clone() for name, buffer in model.named_buffers()})

    def without_buffers_of(self, first: ProcessState) -> ProcessState:
        """Only the buffers that differ from those of the first process, which are among the weights of a checkpoint."""
        own = {name: b for name, b in self.buffers.items() if not torch.equal(b, first.buffers[name])}
        return self._replace(buffers=own)

    @torch.no_grad()
    def restore(self, model: nn.Module) -> None:
        """Put all back where it was."""
        parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
        for name, gradient in self.gradients.items():
            parameters[name].grad = gradient.to(parameters[name], copy=True)
        for name, buffer in self.buffers.items():
            buffers[name].copy_(buffer)


def gather_states(model: nn.Module) -> list[ProcessState] | None:
    """The states of all processes; None on all but the first. Called on all processes."""
    states = gather_object(ProcessState.of(model))
    return states and [state.without_buffers_of(states[0]) for state in states]
