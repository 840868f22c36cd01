"""Convolutions of several processes with channels as the last dimension in memory."""

from __future__ import annotations

import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import MODEL_WRAPPERS
from torch import nn


@MODEL_WRAPPERS.register_module()
class ChannelsLastParallel(MMDistributedDataParallel):
    """With bfloat16, `channels_last` is up to twice as fast on CPUs that know it.

    It has to come before the wrapping, for gradients are exchanged in the layout that weights have then.
    """

    def __init__(self, module: nn.Module, **kwargs) -> None:
        super().__init__(module.to(memory_format=torch.channels_last), **kwargs)
