"""Sums over all processes, so that several processes train like one with the joined batch."""

from __future__ import annotations

from mmengine.dist import all_reduce, get_world_size
from torch import Tensor


def sum_over_processes(
    local: Tensor,  # (...), of this process
) -> Tensor:  # (...)
    """The sum over processes, with a gradient that is correct after averaging.

    `DistributedDataParallel` averages gradients. A loss made of these sums has the same value on each process, and its
    averaged gradient is that of one process with the joined batch. Every process must call it the same number of times.
    """
    world_size = get_world_size()
    if world_size == 1:
        return local
    total = local.detach().clone()
    all_reduce(total)
    return total + world_size * (local - local.detach())
