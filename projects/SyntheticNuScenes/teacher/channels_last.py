"""Convolutions with channels last in memory: with bfloat16 up to twice as fast on CPUs that know it."""

from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import HOOKS, MODEL_WRAPPERS
from mmengine.runner import Runner
from torch import nn


@MODEL_WRAPPERS.register_module()
class ChannelsLastParallel(MMDistributedDataParallel):
    """For several processes.

    It must run before the model is wrapped, because gradients are exchanged in the layout that weights have then.
    """

    def __init__(self, module: nn.Module, **kwargs) -> None:
        super().__init__(module.to(memory_format=torch.channels_last), **kwargs)


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """For one process."""

    def before_run(self, runner: Runner) -> None:
        """Bring the weights into that layout; the images' is the backbone's affair."""
        runner.model.to(memory_format=torch.channels_last)
