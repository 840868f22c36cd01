"""Which processors compute in half precision."""

from __future__ import annotations

import torch


def has_half_precision(device: str | torch.device, dtype: torch.dtype) -> bool:
    """Whether a device supports a type of two bytes. Other CPUs emulate it, much slower than float32.

    Args:
        device: devices other than CPUs are assumed to support it.
        dtype: torch.bfloat16 or torch.float16.
    """
    if torch.device(device).type != 'cpu':
        return True
    if not torch.backends.mkldnn.is_available():
        return False
    if dtype == torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    # Older torch has no float16 on CPUs.
    return getattr(torch.ops.mkldnn, '_is_mkldnn_fp16_supported', lambda: False)()
