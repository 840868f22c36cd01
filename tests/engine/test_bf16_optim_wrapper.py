import pytest
import torch
from torch import nn

from ssl_bev.engine import BF16OptimWrapper


@pytest.mark.parametrize('known', [True, False])
def test_bfloat16_is_left_to_cpus_that_know_it(known, monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, '_is_mkldnn_bf16_supported', lambda: known)
    layer = nn.Linear(4, 4)
    wrapper = BF16OptimWrapper(torch.optim.SGD(layer.parameters(), lr=0.1))
    with wrapper.optim_context(layer):
        out = layer(torch.ones(1, 4))
    assert out.dtype == (torch.bfloat16 if known else torch.float32)
    before = layer.weight.detach().clone()
    wrapper.update_params(out.float().sum())
    torch.testing.assert_close(layer.weight.detach(), before - 0.1)
