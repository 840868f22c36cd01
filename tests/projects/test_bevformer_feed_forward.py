"""Feed-forward network and dropout: mmcv's network, the statistics of a mask, and gradients of what was kept."""

import pytest
import torch
from bevformer_rig import randomize
from mmcv.cnn.bricks.transformer import FFN

from projects.BEVFormer.bevformer.feed_forward import FeedForward, ResidualDropout


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def test_takes_the_weights_of_mmcv_and_does_the_same(generator):
    theirs = randomize(FFN(8, 16), generator)
    ours = FeedForward(8, 16).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, 5, 8, generator=generator)
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    outputs = [module(tensor) for module, tensor in zip((ours, theirs), inputs, strict=True)]
    torch.testing.assert_close(*outputs)
    for output in outputs:
        output.square().sum().backward()
    torch.testing.assert_close(*[tensor.grad for tensor in inputs])
    for name, parameter in theirs.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, parameter.grad)


@pytest.mark.parametrize('p', [0.1, 0.5])
def test_dropout_keeps_share_and_mean(p):
    torch.manual_seed(0)
    x = torch.ones(401, 999)  # no multiple of the four elements of a random word
    dropped = ResidualDropout(p)(x)
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], torch.full_like(dropped[kept], 1 / (1 - p)))
    assert kept.float().mean() == pytest.approx(1 - p, abs=0.003)
    assert kept.float().mean(0).std() == pytest.approx((p * (1 - p) / 401) ** 0.5, rel=0.1)  # independent rows
    assert kept.float().mean(1).std() == pytest.approx((p * (1 - p) / 999) ** 0.5, rel=0.1)


def test_dropout_adds_the_residual_and_passes_gradients_of_the_kept():
    torch.manual_seed(0)
    x, residual = torch.randn(30, 40, requires_grad=True), torch.randn(30, 40, requires_grad=True)
    dropout = ResidualDropout(0.25)
    output = dropout(x, residual)
    kept = (output != residual).detach()
    assert 0 < kept.float().mean() < 1
    torch.testing.assert_close(output, residual + x * kept / 0.75)
    output.sum().backward()
    torch.testing.assert_close(x.grad, kept / 0.75)
    torch.testing.assert_close(residual.grad, torch.ones_like(residual))
    assert torch.equal(dropout.eval()(x, residual), residual + x)


def test_dropout_follows_the_seed():
    masks = []
    for _ in range(2):
        torch.manual_seed(3)
        masks.append(ResidualDropout(0.5)(torch.ones(100)))
    assert torch.equal(*masks)


def test_hidden_dropout_and_relu_in_training():
    # One hidden unit with weight 1: it is dropped, or doubled; negative ones are cut off, dropped or not.
    torch.manual_seed(0)
    network = FeedForward(1, 1, dropout=0.5)
    for parameter in network.parameters():
        torch.nn.init.ones_(parameter) if parameter.dim() == 2 else torch.nn.init.zeros_(parameter)
    x = torch.tensor([[3.0], [-3.0]]).repeat(200, 1).requires_grad_()
    output = network(x)
    gained = (output - x).view(-1, 2)
    assert set(gained[:, 0].tolist()) == {0.0, 12.0}  # 3, doubled by either dropout
    assert set(gained[:, 1].tolist()) == {0.0}
    output.sum().backward()
    torch.testing.assert_close(x.grad, 1 + (output - x).detach() / 3)
