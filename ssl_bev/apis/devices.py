"""The device that a tool runs on."""

import torch


def choose_device(name: str = 'auto') -> str:
    """The device itself, or for 'auto' the first GPU, else the CPU.

    Raises:
        ValueError: the name is no device of torch, or a GPU that is not there.
    """
    if name == 'auto':
        return 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device must be auto, cpu, cuda, cuda:1 …, got '{name}'") from error
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device '{name}' is not there: this machine has {torch.cuda.device_count()} GPUs")
    return name
