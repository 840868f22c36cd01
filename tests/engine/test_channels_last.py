"""Channels last changes where numbers lie, not what they are."""

import copy
from types import SimpleNamespace

import pytest
import torch
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
    images = torch.randn(2, 3, 12, 14)
    for net in (model, other):
        with torch.autocast('cpu', dtype, enabled=dtype != torch.float32):
            net(images).float().square().sum().backward()
    assert seen == [True]
    close = dict(atol=1e-3, rtol=1e-4) if dtype == torch.float32 else dict(atol=0.5, rtol=0.05)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, **close)
