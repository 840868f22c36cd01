"""Leaving the group of processes at the end of a run."""

from __future__ import annotations

import time

_GLOO_WAITS_FREELY = (2, 8)  # since this torch
_SECONDS = 0.2


def leave_process_group() -> None:
    """Leave the group that this process joined; without one, nothing happens.

    Before torch 2.8 a gloo group, on its end, waits for its threads with Python's lock held. A thread that has still to
    drop the tensors of the last call needs this lock, and both wait for ever (pytorch/pytorch#154976). So the threads
    first get time for it.
    """
    import torch
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return
    version = tuple(int(part) for part in torch.__version__.split('.')[:2])
    if dist.get_backend() == 'gloo' and version < _GLOO_WAITS_FREELY:
        time.sleep(_SECONDS)
    dist.destroy_process_group()
