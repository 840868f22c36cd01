"""Channels last changes where numbers lie, not what they are."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from processes import on_processes
from torch import nn

from ssl_bev.engine import ChannelsLastHook


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_outputs_and_gradients_are_the_same(dtype):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.GroupNorm(4, 16), nn.ReLU(), nn.Conv2d(16, 2, 3))
    other = copy.deepcopy(model)
    ChannelsLastHook().before_run(SimpleNamespace(model=other))
    assert other[0].weight.is_contiguous(memory_format=torch.channels_last)
    seen = []
    other[1].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].is_contiguous()))
    last = torch.channels_last
    other[2].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].is_contiguous(memory_format=last)))
    images = torch.randn(2, 3, 12, 14)
    for net in (model, other):
        with torch.autocast('cpu', torch.bfloat16, enabled=dtype == torch.bfloat16):
            net(images).float().square().sum().backward()
    assert seen == [True, True]
    close = dict(atol=1e-3, rtol=1e-4) if dtype == torch.float32 else dict(atol=0.5, rtol=0.05)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, **close)


def first_gradients(rank: int) -> None:
    """Each process has images of its own, and gets the gradients that it would get with the usual layout."""
    torch.manual_seed(0)
    model = nn.Conv2d(3, 4, 3)
    images = torch.randn(2, 2, 3, 8, 8)
    (sum(model(part).square().mean() for part in images) / 2).backward()
    expected = model.weight.grad.clone()
    model.zero_grad()
    runner = SimpleNamespace(
        model=MMDistributedDataParallel(model), cfg={}, wrap_model=lambda _, model: MMDistributedDataParallel(model)
    )
    ChannelsLastHook().before_run(runner)
    for _ in range(2):  # torch sorts its buckets anew after the first
        runner.model(images[rank]).square().mean().backward()
        torch.testing.assert_close(model.weight.grad, expected)
        model.zero_grad()


def test_two_processes() -> None:
    on_processes(2, first_gradients)
