"""Every run tries the same examples, few of each kind."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import HealthCheck, settings

_ALLOWED = 4 * 2**30  # bytes

settings.register_profile(
    'quick',
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile('quick')


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """A damaged pickle may ask for many gigabytes: here it gets a MemoryError."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + _ALLOWED, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
