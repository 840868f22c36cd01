"""Python numbers on a device, copied there once, since each copy waits for all queued work of a GPU."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

Numbers = float | tuple['Numbers', ...]


def constant(
    values: Numbers,
    like: Tensor,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """These numbers on the device of a tensor, in its precision or in `dtype`; do not change them in place."""
    return _constant(values, dtype or like.dtype, like.device)


@lru_cache(maxsize=512)
def _constant(values: Numbers, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # else no training could use it afterwards
        return torch.tensor(values, dtype=dtype, device=device)
