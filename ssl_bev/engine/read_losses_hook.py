"""All logged losses, read from the device at once."""

from __future__ import annotations

import torch
from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor


@HOOKS.register_module()
class ReadLossesHook(Hook):
    """Read all losses of an iteration together; mmengine reads them one by one and waits for the GPU each time.

    Example:
        >>> custom_hooks = [dict(type='ReadLossesHook')]
    """

    priority = 'HIGHEST'  # before mmengine's RuntimeInfoHook

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Replace tensors on the device by tensors on the CPU."""
        tensors = {name: value for name, value in (outputs or {}).items() if isinstance(value, Tensor)}
        if outputs and tensors:
            numbers = torch.stack([value.detach().reshape(()).double() for value in tensors.values()]).cpu()
            outputs.update(zip(tensors, numbers, strict=True))
