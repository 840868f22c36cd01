"""What a run finds around it: environment variables, machine, load."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date

import torch
from mmengine.device import get_device

from ssl_bev.half_precision import has_half_precision


@contextmanager
def environment(new: Mapping[str, str]) -> Iterator[None]:
    """Other environment variables for a while. Of the whole process: one thread at a time."""
    old = {name: os.environ.get(name) for name in new}
    os.environ.update(new)
    try:
        yield
    finally:
        for name, value in old.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def conditions() -> dict:
    """What a record says of the machine and the moment."""
    return dict(
        date=date.today().isoformat(),
        cores=os.cpu_count(),
        processor=platform.processor() or platform.machine(),
        torch=torch.__version__,
        bfloat16=has_half_precision(get_device(), torch.bfloat16),
        load_average_before=round(os.getloadavg()[0], 1),
    )
