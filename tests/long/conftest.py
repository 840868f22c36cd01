"""A shipped config on a small synthetic world, trained by the shipped tools in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from linked_data import linked_data
from reduced_configs import reduced
from sessions import PROJECT, alive_in_session


@pytest.fixture(scope='session')
def data(synthetic_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, info files, BEV labels and pseudo-labels in one folder, as the configs expect them."""
    return linked_data(synthetic_root, tmp_path_factory.mktemp('long') / 'data')


@pytest.fixture
def config(data: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a config file: both phases in `iterations` each, with 2 workers, and further top-level values."""

    def write(iterations: int, **options) -> Path:
        config = reduced(PROJECT / 'configs/synthetic/bevformer_ssl_two_phase.py', data)
        for loader in (config.train_dataloader, config.labelled_dataloader):
            loader.sampler = dict(type='FixedLengthSampler', batch_size=1, batches=iterations)
            loader.update(batch_size=1, num_workers=2)
            loader.dataset.label_fraction = 1.0
        for phase in config.custom_hooks[-1].phases:
            phase.epochs = 1
        config.train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=2)
        config.default_hooks.logger.interval = 1
        config.custom_hooks += options.pop('custom_hooks', [])
        config.custom_imports.imports += options.pop('imports', [])
        dataset = config.val_dataloader.dataset
        config.val_dataloader.dataset = dict(type='RepeatDataset', times=options.pop('val_times', 1), dataset=dataset)
        config.val_dataloader.sampler = dict(type='DefaultSampler', shuffle=False)
        config.merge_from_dict(options)
        path = tmp_path / 'config.py'
        config.dump(path)
        return path

    return write


@pytest.fixture
def environment(data: Path) -> dict[str, str]:
    """For subprocesses; they find the modules of this folder."""
    paths = f'{PROJECT}:{Path(__file__).parent}'
    names = {'PYTHONPATH': paths, 'SSL_BEV_SYNTHETIC': str(data), 'OMP_NUM_THREADS': '1', 'PYTHON': sys.executable}
    return {**os.environ, **names, 'CUDA_VISIBLE_DEVICES': ''}


@pytest.fixture
def begin(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts a command in a session of its own; its output goes to `output` in the test's folder.

    What a failed test leaves running is killed.
    """
    sessions = []

    def start(*command: str | Path) -> subprocess.Popen:
        output = (tmp_path / 'output').open('a')
        words = [str(word) for word in command]
        process = subprocess.Popen(
            words, cwd=tmp_path, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # shells ignore it in background jobs
        )  # fmt: skip
        sessions.append(process.pid)
        return process

    yield start
    for process in (process for session in sessions for process in alive_in_session(session)):
        os.kill(process, signal.SIGKILL)
