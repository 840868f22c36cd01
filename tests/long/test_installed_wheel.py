"""The wheel in an environment of its own, far from any clone: a training, an evaluation and a tool by mim."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from sessions import PROJECT

CONFIG = 'synthetic_bevformer_ssl_pretrain'


@pytest.fixture(scope='module')
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its environment has what this one has, but the `ssl_bev` of the wheel."""
    folder = tmp_path_factory.mktemp('installed')
    pip = [sys.executable, '-m', 'pip', '--disable-pip-version-check']
    here = dict(cwd=PROJECT, check=True)
    subprocess.run([*pip, 'wheel', '-q', '--no-deps', '--no-build-isolation', '-w', folder, '.'], **here)
    subprocess.run([sys.executable, '-m', 'venv', folder / 'venv'], check=True)
    python = folder / 'venv/bin/python'
    place = subprocess.check_output([python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'], text=True)
    Path(place.strip(), 'libraries.pth').write_text(sysconfig.get_path('purelib') + '\n')  # no .pth files of theirs
    (wheel,) = folder.glob('*.whl')
    subprocess.run(
        [python, *pip[1:], 'install', '-q', '--no-deps', '--no-index', '--ignore-installed', wheel], check=True
    )
    return python


@pytest.mark.long
def test_mim_trains_tests_and_runs_tools(python: Path, environment: dict[str, str], tmp_path: Path) -> None:
    environment = {name: value for name, value in environment.items() if name != 'PYTHONPATH'}

    def call(*words: str | Path) -> str:
        done = subprocess.run([python, *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
        return done.stdout

    where = call('-c', 'import ssl_bev, projects.BEVFormer.bevformer as b; print(ssl_bev.__file__, b.__file__)').split()
    assert all(Path(file).is_relative_to(python.parents[1]) for file in where), where
    short = ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'custom_hooks.4.phases.0.epochs=1']
    call('-m', 'mim', 'train', 'ssl_bev', CONFIG, '--gpus', '0', '--work-dir', 'run', '--cfg-options', *short)
    checkpoint = tmp_path / 'run/epoch_1.pth'
    assert 'bev/mIoU' in call('-m', 'mim', 'test', 'ssl_bev', CONFIG, '--checkpoint', checkpoint, '--work-dir', 'test')
    assert call('-m', 'mim', 'run', 'ssl_bev', 'check_data', '--data-root', environment['SSL_BEV_SYNTHETIC'])
