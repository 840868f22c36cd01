"""The fused optimizer is the plain one, whatever the layouts in memory, and wherever a checkpoint comes from."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

import ssl_bev.engine.fused_adamw as module
from ssl_bev.engine import FusedAdamW

LAYOUTS = (torch.contiguous_format, torch.channels_last)


def weight(layout: torch.memory_format) -> nn.Parameter:
    values = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    return nn.Parameter(values.contiguous(memory_format=layout))


def train(
    optimizer: torch.optim.Optimizer,
    parameter: Tensor,
    layout: torch.memory_format = LAYOUTS[0],
    steps: range = range(3),
) -> Tensor:
    for step in steps:
        gradient = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(step + 1))
        parameter.grad = gradient.contiguous(memory_format=layout)
        optimizer.step()
    return parameter.detach().clone()


@pytest.fixture
def expected() -> Tensor:
    parameter = weight(LAYOUTS[0])
    return train(torch.optim.AdamW([parameter], 0.1), parameter)


@pytest.mark.parametrize('of_weight', LAYOUTS)
@pytest.mark.parametrize('of_gradient', LAYOUTS)
def test_layouts_in_memory_are_not_mixed_up(expected: Tensor, of_weight, of_gradient) -> None:
    parameter = weight(of_weight)
    torch.testing.assert_close(train(FusedAdamW([parameter], 0.1), parameter, of_gradient), expected, atol=1e-6, rtol=0)
    assert parameter.is_contiguous(memory_format=of_weight)


@pytest.mark.parametrize(('first', 'second'), [(FusedAdamW, torch.optim.AdamW), (torch.optim.AdamW, FusedAdamW)])
def test_checkpoints_of_either_are_the_others(expected: Tensor, first: type, second: type) -> None:
    before = weight(LAYOUTS[1])
    optimizer = first([before], 0.1)
    train(optimizer, before, steps=range(2))
    after = nn.Parameter(before.detach().contiguous())
    resumed = second([after], 0.1)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    torch.testing.assert_close(train(resumed, after, steps=range(2, 3)), expected, atol=1e-6, rtol=0)


def test_a_torch_without_the_kernel(expected: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a checkpoint of a torch that has it ask for it."""
    fused = FusedAdamW([weight(LAYOUTS[0])], 0.1)
    assert fused.param_groups[0]['fused'] or not module._ON_CPUS
    monkeypatch.setattr(module, '_ON_CPUS', False)
    parameter = weight(LAYOUTS[0])
    plain = FusedAdamW([parameter], 0.1)
    plain.load_state_dict(fused.state_dict())
    assert not plain.param_groups[0]['fused']
    torch.testing.assert_close(train(plain, parameter), expected, atol=1e-6, rtol=0)
