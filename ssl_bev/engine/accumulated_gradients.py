"""Gradients that wait for further batches before the optimizer steps: a part of the state of a run."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmengine.dist import gather_object
from torch import Tensor, nn


def gather_gradients(model: nn.Module) -> list[dict[str, Tensor]] | None:
    """The gradients of each process by the name of the parameter, on the CPU; None on all processes but the first.

    Called on all processes: until the optimizer steps, each has gradients of its own.
    """
    return gather_object(own_gradients(model))


def own_gradients(model: nn.Module) -> dict[str, Tensor]:
    """Those of this process."""
    return {name: p.grad.cpu().clone() for name, p in model.named_parameters() if p.grad is not None}


@torch.no_grad()
def restore_gradients(model: nn.Module, gradients: Mapping[str, Tensor]) -> None:
    """Put gradients back where they were."""
    parameters = dict(model.named_parameters())
    for name, gradient in gradients.items():
        parameters[name].grad = gradient.to(parameters[name], copy=True)
