import time
from threading import Event, Thread

import pytest
import torch
import torch.distributed as dist

from ssl_bev.process_group import leave_process_group


@pytest.fixture
def group():
    dist.init_process_group('gloo', store=dist.HashStore(), rank=0, world_size=1)
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


def test_the_group_is_left(group):
    dist.all_gather_object([None], 'a')
    leave_process_group()
    assert not dist.is_initialized()


def test_without_a_group_nothing_happens():
    leave_process_group()
    assert not dist.is_initialized()


@pytest.mark.parametrize('version', ['2.1.2+cu121', '2.7.1'])
def test_threads_run_before_an_older_torch_ends_the_group(version, group, monkeypatch):
    ran, seen, end = Event(), [], dist.destroy_process_group
    monkeypatch.setattr(torch, '__version__', version)
    monkeypatch.setattr(dist, 'destroy_process_group', lambda: (seen.append(ran.is_set()), end()))
    Thread(target=lambda: (time.sleep(0.02), ran.set())).start()
    leave_process_group()
    assert seen == [True]
