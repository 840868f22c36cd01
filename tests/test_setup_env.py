"""What tools/setup_env.sh says before it makes anything, and about CUDA; with commands that are stand-ins."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
# Makes a copy of itself as the environment, "installs" torch, and refuses what comes next.
PYTHON_WITH_TORCH_ONLY = """
case "$*" in
    '-m venv --clear '*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
    *torch.version.cuda*) echo "$BUILT_FOR" ;;
    *' install -r '*) echo "cards: $TORCH_CUDA_ARCH_LIST, toolkit: $CUDA_HOME"; exit 1 ;;
    -VV) echo 'Python 3.11.7 (a stand-in)' ;;
esac
"""
NVCC = 'echo "Cuda compilation tools, release $NVCC_RELEASE, V$NVCC_RELEASE.99"'


def stand_in(command: Path, script: str) -> None:
    command.parent.mkdir(parents=True, exist_ok=True)
    command.write_text(f'#!/usr/bin/env bash\n{script}\n')
    command.chmod(0o755)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What set-up reads, no packages, and stand-ins."""
    for name in ('tools/setup_env.sh', 'tools/build_mmcv.sh', 'setup.py', 'setup.cfg'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / name)
    shutil.copytree(PROJECT / 'requirements', tmp_path / 'requirements')
    for package in ('ssl_bev', 'projects'):
        (tmp_path / package).mkdir()
    stand_in(tmp_path / 'compiler_only/bin/nvcc', NVCC)
    stand_in(tmp_path / 'toolkit/bin/nvcc', NVCC)
    (tmp_path / 'toolkit/include').mkdir()
    (tmp_path / 'toolkit/include/cusolverDn.h').touch()
    stand_in(tmp_path / 'commands/nvidia-smi', 'printf "$CARDS"')
    stand_in(tmp_path / 'commands/python', PYTHON_WITH_TORCH_ONLY)
    return tmp_path


def set_up(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    environment = {key: value for key, value in os.environ.items() if key not in ('TORCH', 'TORCH_CUDA_ARCH_LIST')}
    environment |= dict(PATH=f'{project}/commands:{os.environ["PATH"]}', CARDS='')
    environment |= {'PYTHON': sys.executable, 'SSL_BEV_CACHE': str(project / 'cache'), **variables}
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
        (['--cuda'], dict(CUDA_HOME='compiler_only'), 'has nvcc, but not the headers of cuSOLVER'),
        (['--cuda'], dict(CUDA_HOME='toolkit'), 'nvidia-smi finds no card to build for'),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_made(
    project: Path, arguments: list[str], variables: dict[str, str], message: str
) -> None:
    done = set_up(project, *arguments, **variables)
    assert done.returncode == 1
    assert message in done.stderr
    assert not list(project.glob('.venv*/bin'))


def set_up_cuda(project: Path, nvcc: str, built_for: str, **variables: str) -> subprocess.CompletedProcess:
    variables = dict(PYTHON=str(project / 'commands/python'), CARDS='9.0\n8.6\n9.0\n') | variables
    return set_up(project, '--cuda', CUDA_HOME='toolkit', NVCC_RELEASE=nvcc, BUILT_FOR=built_for, **variables)


@pytest.mark.parametrize(('nvcc', 'noted'), [('12.6', False), ('12.4', True), ('12.9', True)])
def test_any_minor_version_of_cuda_fits_and_another_one_is_noted(project: Path, nvcc: str, noted: bool) -> None:
    done = set_up_cuda(project, nvcc, built_for='12.6')
    assert 'failed: 2/5 libraries' in done.stderr  # beyond the check
    assert (f'nvcc is of CUDA {nvcc}, torch is built for 12.6' in done.stdout) == noted


@pytest.mark.parametrize(
    ('nvcc', 'built_for', 'message'),
    [
        ('13.0', '12.6', r'nvcc is of CUDA 13\.0, torch==\S+ is built for 12\.6: .* a toolkit of CUDA 12'),
        ('1.26', '12.6', r'nvcc is of CUDA 1\.26, '),
        ('', '12.6', 'names no release of CUDA'),
        ('13.0', '', r'the package index serves torch==\S+ without CUDA'),
    ],
)
def test_another_cuda_stops_before_the_libraries(project: Path, nvcc: str, built_for: str, message: str) -> None:
    done = set_up_cuda(project, nvcc, built_for)
    assert done.returncode == 1
    assert '2/5' not in done.stdout
    assert re.search(message, done.stderr)


def test_cards_are_those_at_hand_or_named_and_remembered(project: Path) -> None:
    def cards(**variables: str) -> str:
        return set_up_cuda(project, '12.6', '12.6', **variables).stderr.split('cards: ')[1].split(',')[0]

    assert cards() == '8.6;9.0'
    assert cards(CARDS='') == '8.6;9.0'
    assert cards(TORCH_CUDA_ARCH_LIST='12.0+PTX') == '12.0+PTX'
    assert cards(CARDS='') == '12.0+PTX'
