"""AdamW as one kernel, where torch has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.registry import OPTIMIZERS
from torch import Tensor

_ON_CPUS = tuple(int(part) for part in torch.__version__.split('.')[:2]) >= (2, 4)


@OPTIMIZERS.register_module()
class FusedAdamW(torch.optim.AdamW):
    """torch's `AdamW`, fused on GPUs and, from torch 2.4 on, on CPUs; elsewhere as torch chooses.

    Its checkpoints are those of `AdamW`: each resumes from the other's, on any device.

    Args:
        params, lr, ...: as torch's.

    Example:
        >>> optim_wrapper = dict(optimizer=dict(type='FusedAdamW', lr=2e-4, weight_decay=0.01))
    """

    def __init__(self, params: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(params, *arguments, **options)
        fused = all(_can_be_fused(parameter) for parameter in self._parameters())
        for settings in (self.defaults, *self.param_groups):
            settings.update(fused=fused or None, foreach=None)
        self._step_supports_amp_scaling = fused  # as torch's own with fused=True

    def state_dict(self) -> dict:
        """As torch's, without asking whoever loads it to be fused."""
        content = super().state_dict()
        return {**content, 'param_groups': [{**group, 'fused': None} for group in content['param_groups']]}

    def load_state_dict(self, state_dict: Mapping) -> None:
        """As torch's, but fused or not as it can be here, whatever the state says."""
        own = {name: self.defaults[name] for name in ('fused', 'foreach')}
        groups = [{**group, **own} for group in state_dict['param_groups']]
        super().load_state_dict({**state_dict, 'param_groups': groups})

    @torch.no_grad()
    def step(self, closure: Callable | None = None) -> Any:
        """As torch's, whose kernel for CPUs takes for granted that all tensors of a parameter lie in memory alike."""
        for parameter in self._parameters():
            if parameter.grad is None:
                continue
            if parameter.grad.stride() != parameter.stride():
                parameter.grad = _laid_out_as(parameter, parameter.grad)
            state = self.state.get(parameter, {})
            for name, value in state.items():
                if name != 'step' and value.stride() != parameter.stride():
                    state[name] = _laid_out_as(parameter, value)
        return super().step(closure)

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.param_groups for parameter in group['params']]


def _can_be_fused(parameter: Tensor) -> bool:
    return parameter.is_cuda or (parameter.device.type == 'cpu' and _ON_CPUS)


def _laid_out_as(parameter: Tensor, tensor: Tensor) -> Tensor:
    return torch.empty_like(parameter).copy_(tensor)
