"""The shipped tools and configs: interrupted, signalled, killed; on one process and on two."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from sessions import PROJECT, alive_in_session, reached, wait_until

from ssl_bev.checkpoints import load_checkpoint_file

TRAIN, TRAIN_TWO = PROJECT / 'tools/train.py', PROJECT / 'tools/dist_train.sh'
pytestmark = pytest.mark.long


def output(folder: Path) -> str:
    return (folder / 'output').read_text()[-20000:]


def logged(work_dir: Path) -> dict[int, dict]:
    rows = {}
    for file in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for row in map(json.loads, file.read_text().splitlines()):
            if 'loss' in row:
                rows[row['step']] = {key: value for key, value in row.items() if 'time' not in key and key != 'memory'}
    return rows


def assert_same_run(resumed: Path, straight: Path, last: str = 'epoch_2.pth') -> None:
    """Weights, state of the optimizer, and all losses of the logs."""
    files = [load_checkpoint_file(folder / last) for folder in (resumed, straight)]
    for name, weight in files[1]['state_dict'].items():
        assert torch.equal(files[0]['state_dict'][name], weight), name
    states = [list(file['optimizer']['state'].values()) for file in files]
    assert states[0] and all(torch.equal(a[key], b[key]) for a, b in zip(*states, strict=True) for key in a)
    assert logged(resumed) == logged(straight)


@pytest.mark.parametrize('to_all', [True, False], ids=['as from a terminal', 'the main process'])
def test_nothing_is_left_after_ctrl_c(config, begin, tmp_path: Path, to_all: bool) -> None:
    before = set(Path('/dev/shm').iterdir())
    file = config(500, custom_hooks=[dict(type='FaultHook')], imports=['fault_hook'])
    process = begin(sys.executable, TRAIN, file, '--work-dir', 'run')
    assert wait_until(lambda: reached(tmp_path / 'run', 5), 300), output(tmp_path)
    assert len(alive_in_session(process.pid)) >= 3
    (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
    assert process.wait(60) not in (0, None)
    assert 'KeyboardInterrupt' in output(tmp_path)
    assert wait_until(lambda: not alive_in_session(process.pid), 20)
    assert not list((tmp_path / 'run').glob('.*'))
    assert set(Path('/dev/shm').iterdir()) <= before


def test_killed_between_updates_and_resumed(config, begin, tmp_path: Path) -> None:
    """SIGKILL in the second phase, with gradient accumulation; the last checkpoint is of the iteration before."""
    hooks = {'default_hooks.checkpoint.by_epoch': False, 'default_hooks.checkpoint.filename_tmpl': 'place_{}.pth'}
    fault = dict(type='FaultHook', iteration=10, signal=int(signal.SIGKILL))
    file = config(6, custom_hooks=[fault], imports=['fault_hook'], **hooks, **{'optim_wrapper.accumulative_counts': 3})

    def train(folder: str, *more: str) -> int:
        process = begin(sys.executable, TRAIN, file, '--work-dir', folder, *more)
        code = process.wait(600)
        assert wait_until(lambda: not alive_in_session(process.pid), 30)
        return code

    (tmp_path / 'straight').mkdir()
    (tmp_path / 'straight/fault').touch()  # none here
    assert train('straight') == 0, output(tmp_path)
    assert train('killed') == -signal.SIGKILL, output(tmp_path)
    assert (tmp_path / 'killed/last_checkpoint').read_text().endswith('place_10.pth')
    assert train('killed', '--resume') == 0, output(tmp_path)
    assert_same_run(tmp_path / 'killed', tmp_path / 'straight', 'place_12.pth')


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGUSR1'])
def test_two_processes_are_preempted_and_resumed(config, begin, tmp_path: Path, name: str) -> None:
    """The launcher is signalled, as a job manager does it; 143 is its exit code."""
    file = config(8, custom_hooks=[dict(type='FaultHook')], imports=['fault_hook'])
    straight = begin(TRAIN_TWO, file, '2', '--work-dir', 'straight')
    assert straight.wait(900) == 0, output(tmp_path)
    process = begin(TRAIN_TWO, file, '2', '--work-dir', 'preempted')
    assert wait_until(lambda: reached(tmp_path / 'preempted', 10), 600), output(tmp_path)
    os.kill(process.pid, getattr(signal, name))
    assert process.wait(60) == 143, output(tmp_path)
    assert (tmp_path / 'preempted/last_checkpoint').read_text() == str(tmp_path / 'preempted/preempted.pth')
    resumed = begin(TRAIN_TWO, file, '2', '--work-dir', 'preempted', '--resume')
    assert resumed.wait(900) == 0, output(tmp_path)
    assert_same_run(tmp_path / 'preempted', tmp_path / 'straight')


@pytest.mark.parametrize('number', [None, int(signal.SIGKILL)], ids=['error', 'SIGKILL'])
def test_a_process_that_dies_ends_the_others(config, begin, tmp_path: Path, number: int | None) -> None:
    fault = dict(type='FaultHook', iteration=4, rank=1, signal=number)
    file = config(50, custom_hooks=[fault], imports=['fault_hook'])
    process = begin(TRAIN_TWO, file, '2', '--work-dir', 'run')
    assert wait_until((tmp_path / 'run/fault').exists, 600), output(tmp_path)
    died = time.monotonic()
    assert process.wait(60) not in (0, 143)
    print(f'all were gone {time.monotonic() - died:.1f} s after one died')
    assert ('RuntimeError: the process with the fault' if number is None else 'Signal 9 (SIGKILL)') in output(tmp_path)
