"""Toy runs on several processes of this machine, which are forks of the test: all is imported already."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed
import torch.multiprocessing as mp
from engine_toy import RecordHook, make_config
from mmengine.config import Config
from mmengine.runner import Runner

from ssl_bev.engine.launch import prepare_run, use_checkpoint


def on_processes(count: int, function: Callable, *arguments) -> None:
    """Call `function(rank, *arguments)` on processes that form a group."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    mp.start_processes(_join, (count, port, function, arguments), nprocs=count, start_method='fork')


def _join(rank: int, count: int, port: int, function: Callable, arguments: tuple) -> None:
    torch.set_num_threads(1)  # OpenMP hangs after a fork otherwise
    with pytest.MonkeyPatch.context() as patch:
        place = dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=count, MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
        for name, value in place.items():
            patch.setenv(name, str(value))
        torch.distributed.init_process_group('gloo')
        function(rank, *arguments)
        torch.distributed.destroy_process_group()


def run_distributed(
    work_dir: Path, phases: list[dict], name: str, num_workers: int = 0, resume: str | None = None, **options
) -> tuple[Runner, dict[int, dict]]:
    """As `engine_toy.run`, on each process of the group."""
    config = Config(make_config(work_dir, phases, name, num_workers, **options))
    prepare_run(config, work_dir, 'pytorch')
    use_checkpoint(config, resume)
    runner = Runner.from_cfg(config)
    runner.train()
    return runner, next(hook for hook in runner.hooks if isinstance(hook, RecordHook)).rows
