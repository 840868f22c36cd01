"""The feed-forward network of a layer, and the dropout of all its parts: little to store for the backward pass."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn


class ResidualDropout(nn.Dropout):
    """`residual + dropout(x)`.

    On a CPU the mask takes a byte per element and one 64-bit random number for four of them, where `F.dropout` keeps
    floats, each from a random number of its own; p is rounded to a multiple of 2^-16.
    """

    def forward(
        self,
        x: Tensor,
        residual: Tensor | None = None,  # of the shape of `x`; zero if None
    ) -> Tensor:
        if not self.training or self.p == 0 or x.device.type != 'cpu':
            dropped = F.dropout(x, self.p, self.training)
            return dropped if residual is None else residual + dropped
        return _DropAndAdd.apply(x, residual, _random_mask(x.shape, self.p, x.device), 1 / (1 - self.p))


class _DropAndAdd(torch.autograd.Function):
    """torch would turn the mask into floats wherever it multiplies by it."""

    @staticmethod
    def forward(ctx, x, residual, dropped, scale):
        ctx.save_for_backward(dropped)
        ctx.scale, ctx.dtype = scale, x.dtype
        if residual is None:
            return (x * scale).masked_fill_(dropped, 0)
        return torch.where(dropped, residual, torch.add(residual, x, alpha=scale))

    @staticmethod
    def backward(ctx, grad):
        (dropped,) = ctx.saved_tensors
        residual_grad = grad if ctx.needs_input_grad[1] else None
        return (grad * ctx.scale).masked_fill_(dropped, 0).to(ctx.dtype), residual_grad, None, None


def _random_mask(shape: torch.Size, probability: float, device: torch.device) -> Tensor:
    """True with this probability, to 16 bits."""
    words = torch.empty(-(-shape.numel() // 4), dtype=torch.int64, device=device).random_(-(2**63), None)
    uniform = words.view(torch.int16)[: shape.numel()]
    return (uniform >= 2**15 - round(probability * 2**16)).view(shape)


class FeedForward(BaseModule):
    """Two linear layers with a ReLU between and a residual around; parameter names of mmcv's `FFN`.

    Dropout comes before the ReLU, not after: the two commute, and so one hidden tensor serves both backward passes.

    Args:
        embed_dims: channels.
        feedforward_channels: hidden channels.
        dropout: of the hidden channels, and of the output before the residual.
    """

    def __init__(self, embed_dims: int, feedforward_channels: int, dropout: float = 0.1) -> None:
        super().__init__()
        hidden, output = nn.Linear(embed_dims, feedforward_channels), nn.Linear(feedforward_channels, embed_dims)
        self.layers = nn.Sequential(nn.Sequential(hidden), output)
        self.dropout = ResidualDropout(dropout)

    def init_weights(self) -> None:
        """Xavier weights, no bias."""
        for linear in (self.layers[0][0], self.layers[1]):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(
        self,
        x: Tensor,  # (..., C)
    ) -> Tensor:  # (..., C)
        hidden = F.relu_(self.dropout(self.layers[0](x)))
        return self.dropout(self.layers[1](hidden), x)
