"""Weights for publication: small, and loadable with torch's `weights_only`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch

from ssl_bev.files import replacing

from .safe_checkpoint import load_checkpoint_file


def publish(checkpoint: str | os.PathLike, out: str | os.PathLike, meta: Mapping | None = None) -> Path:
    """Write the weights of a checkpoint in half precision, without optimizer and log, completely or not at all.

    A tensor with values beyond the range of half precision stays as it is.

    Args:
        checkpoint: of a training.
        out: the file to write.
        meta: further information, plain values.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: it is no checkpoint.
    """
    content = load_checkpoint_file(checkpoint, 'cpu')
    if not isinstance(content, dict) or 'state_dict' not in content:
        raise ValueError(f'checkpoint {checkpoint} holds no state_dict')
    weights = {name: _halved(value) for name, value in content['state_dict'].items()}
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as temporary:
        torch.save({'state_dict': weights, 'meta': dict(meta or {})}, temporary)
    return out


def _halved(value: torch.Tensor) -> torch.Tensor:
    if not value.is_floating_point():
        return value
    half = value.half()
    return half if torch.equal(half.isinf(), value.isinf()) else value
