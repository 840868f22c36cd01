"""Training in bfloat16 on any device. mmengine's AmpOptimWrapper needs a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from ssl_bev.half_precision import has_half_precision


@OPTIM_WRAPPERS.register_module()
class BF16OptimWrapper(OptimWrapper):
    """Runs the forward pass under autocast to bfloat16; weights, gradients and optimizer stay float32.

    bfloat16 has the range of float32, so that no loss scaling is needed. CPUs with AVX-512 BF16 or AMX gain most if
    convolutions are also `channels_last`. On a CPU that would emulate bfloat16, everything stays float32.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        device = get_device()
        known = has_half_precision(device, torch.bfloat16)
        with super().optim_context(model), torch.autocast(device, torch.bfloat16, enabled=known):
            yield
