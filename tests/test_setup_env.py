"""What tools/setup_env.sh says before it makes anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What set-up reads, and no packages."""
    for name in ('tools/setup_env.sh', 'tools/build_mmcv.sh', 'setup.py', 'setup.cfg'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / name)
    shutil.copytree(PROJECT / 'requirements', tmp_path / 'requirements')
    for package in ('ssl_bev', 'projects'):
        (tmp_path / package).mkdir()
    return tmp_path


def set_up(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, 'PYTHON': sys.executable, 'SSL_BEV_CACHE': str(project / 'cache'), **variables}
    command = [str(project / 'tools/setup_env.sh'), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_each_torch_has_a_folder_of_its_own(project: Path) -> None:
    python = f'py{sys.version_info.major}.{sys.version_info.minor}'
    folders = [set_up(project, '--folder', TORCH=torch).stdout.strip() for torch in ('', '2.1.2', '2.7.1')]
    assert folders == [
        str(project / name) for name in ('.venv', f'.venv-torch2.1.2-{python}', f'.venv-torch2.7.1-{python}')
    ]
    assert not list(project.glob('.venv*'))


@pytest.mark.parametrize(
    ('arguments', 'variables', 'message'),
    [
        (['--gpu'], {}, 'unknown argument --gpu'),
        ([], dict(TORCH='nightly'), 'TORCH=nightly is no version of torch 2'),
        ([], dict(PYTHON='python2'), 'PYTHON=python2 is not a working Python 3.10, 3.11 or 3.12'),
        (['--cuda'], dict(CUDA_HOME='/nowhere'), 'no nvcc, which the CUDA ops of mmcv need'),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_made(
    project: Path, arguments: list[str], variables: dict[str, str], message: str
) -> None:
    done = set_up(project, *arguments, **variables)
    assert done.returncode == 1
    assert message in done.stderr
    assert not list(project.glob('.venv*/bin'))
