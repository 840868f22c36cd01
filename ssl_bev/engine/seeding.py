"""Random states as a function of the position in a run, so that a resumed run draws the same numbers."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch


def derive_seed(*parts: int | str) -> int:
    """A seed below 2**31 that depends on all parts; the same on every machine and in every process."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, 'little') % 2**31


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, numpy and torch, also on all GPUs."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002, the state that transforms draw from
    torch.manual_seed(seed)
