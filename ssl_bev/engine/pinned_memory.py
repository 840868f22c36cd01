"""Pinned memory, from which copies to a GPU run beside its work, only where there is a GPU."""

from __future__ import annotations

from mmengine.device import get_device
from torch.utils.data import DataLoader


def unpin_without_gpu(loader: DataLoader) -> DataLoader:
    """Take `pin_memory=True` back on a machine without a GPU, where torch would only warn of it at each epoch."""
    if get_device() == 'cpu':
        loader.pin_memory = False
    return loader
