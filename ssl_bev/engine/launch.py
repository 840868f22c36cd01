"""From a config and command-line choices to a runner, on GPUs or on CPU cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.distributed
from mmengine.config import Config
from mmengine.runner import Runner

from ssl_bev.checkpoints import find_last_good, with_safe_loading
from ssl_bev.process_group import leave_process_group

from .config_files import building


def prepare_run(cfg: Config, work_dir: str | Path | None = None, launcher: str = 'none') -> None:
    """Set the work directory of a run and how its processes connect. Paths are relative to the current directory.

    Args:
        cfg: of a config file, as `load_config` reads it; changed in place.
        work_dir: for logs and checkpoints; default: that of the config, else work_dirs/{name of the config file}.
        launcher: 'none' or what started several processes: 'pytorch', 'slurm', 'mpi'.
    """
    cfg.launcher = launcher
    cfg.work_dir = str(Path(work_dir or cfg.get('work_dir') or Path('work_dirs') / Path(cfg.filename).stem).absolute())
    if launcher == 'pytorch' and not torch.cuda.is_available():
        _prepare_cpu_processes(cfg)


def use_checkpoint(cfg: Config, resume: str | None) -> None:
    """Choose where training starts, and have mmengine load it safely.

    Args:
        resume: None to start as the config says, 'auto' for the last good checkpoint in the work directory, or a file.
            With 'auto' and no checkpoint yet, training starts as the config says, its `load_from` included.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: with 'auto', there are checkpoints, but none is whole.
    """
    if resume == 'auto':
        checkpoint, faults = find_last_good(cfg.work_dir)
        for fault in faults:
            print(f'{fault}; resuming from {checkpoint}')
        if checkpoint is None:
            print(f'no checkpoint in {cfg.work_dir} yet: training starts from {cfg.get("load_from") or "new weights"}')
    else:
        checkpoint = Path(resume).absolute() if resume else None
    if checkpoint:
        if not checkpoint.is_file():
            raise FileNotFoundError(f'checkpoint {checkpoint} to resume from does not exist')
        cfg.resume, cfg.load_from = True, str(checkpoint)
    cfg.load_from = with_safe_loading(cfg.get('load_from'))


def use_mixed_precision(cfg: Config) -> None:
    """Train with automatic mixed precision.

    Raises:
        ValueError: the optimizer wrapper of the config has no mixed-precision counterpart.
    """
    if cfg.optim_wrapper.get('type', 'OptimWrapper') not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(f'--amp needs optim_wrapper.type OptimWrapper, the config has {cfg.optim_wrapper.type}')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def build_runner(cfg: Config, what: str) -> Runner:
    """The runner of a config, with its data already opened, so that missing files are found before the run.

    Args:
        cfg: as `prepare_run` left it.
        what: 'train' or 'test'.

    Raises:
        ValueError: the config names what does not exist.
    """
    with building(cfg):
        runner = Runner.from_cfg(cfg)
        getattr(runner, f'{what}_loop')  # mmengine builds it, with its dataset, on first use
    return runner


def run_and_close(runner: Runner, what: str) -> Any:
    """Call `train` or `test` of the runner, and leave the process group if this process joined one."""
    try:
        return getattr(runner, what)()
    finally:
        leave_process_group()


def _prepare_cpu_processes(cfg: Config) -> None:
    """Join a gloo group before mmengine looks for a GPU, and pass no GPU numbers to DistributedDataParallel."""
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    wrapper = dict(type='MMDistributedDataParallel', broadcast_buffers=False)
    wrapper['find_unused_parameters'] = cfg.get('find_unused_parameters', False)
    cfg.model_wrapper_cfg = {**wrapper, **(cfg.get('model_wrapper_cfg') or {}), 'device_ids': None}
