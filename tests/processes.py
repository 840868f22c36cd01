"""Processes that are forks of the test: all is imported already."""

from __future__ import annotations

import multiprocessing
import os
import socket
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
import torch.distributed

from ssl_bev.process_group import leave_process_group


def start(function: Callable, *arguments, count: int = 1) -> list[BaseProcess]:
    """Call `function(rank, *arguments)` on processes, each with a session of its own; several of them form a group."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context('fork')
    arguments = [(rank, count, port, function, arguments) for rank in range(count)]
    processes = [context.Process(target=_join, args=one) for one in arguments]
    for process in processes:
        process.start()
    return processes


def exit_codes(processes: list[BaseProcess], seconds: float = 60) -> list[int | None]:
    """Those of all processes, which get this long; then they are killed, and theirs is None."""
    end = time.monotonic() + seconds
    for process in processes:
        process.join(max(end - time.monotonic(), 0))
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
        process.join()
    return codes


def on_processes(count: int, function: Callable, *arguments) -> None:
    """As `start`, until all are done."""
    assert exit_codes(start(function, *arguments, count=count), 300) == [0] * count


def wait_for(path: Path, holds: Callable[[str], bool] = lambda text: True, seconds: float = 60) -> None:
    """Until a file is there and says what is waited for."""
    end = time.monotonic() + seconds
    while not (path.is_file() and (text := path.read_text()) is not None and holds(text)):
        assert time.monotonic() < end, f'{path} did not come'
        time.sleep(0.01)


def _join(rank: int, count: int, port: int, function: Callable, arguments: tuple) -> None:
    os.setsid()
    torch.set_num_threads(1)  # OpenMP hangs after a fork otherwise
    place = dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=count, MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
    if count > 1:
        os.environ.update({name: str(value) for name, value in place.items()})
        torch.distributed.init_process_group('gloo')
    function(rank, *arguments)
    leave_process_group()
