"""Which processors compute in half precision."""

from __future__ import annotations

import torch


def has_half_precision(device: str | torch.device, dtype: torch.dtype) -> bool:
    """Whether a device computes in a type of two bytes; CPUs that do not emulate it, many times slower than float32.

    Args:
        device: any but CPUs do.
        dtype: torch.bfloat16 or torch.float16.
    """
    if torch.device(device).type != 'cpu':
        return True
    if not torch.backends.mkldnn.is_available():
        return False
    if dtype == torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.ops.mkldnn._is_mkldnn_fp16_supported()
