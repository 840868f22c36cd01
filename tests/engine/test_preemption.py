"""A run that is told to go saves, goes with code 143, and goes on later as if nothing had happened. Real signals."""

from __future__ import annotations

import copy
import multiprocessing
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from engine_toy import CLASSES, ToySegmentor, run, run_distributed, two_phases, weights_of
from processes import exit_codes, on_processes, start, wait_for
from test_exact_resume import ACCUMULATE, assert_same_run

from ssl_bev.checkpoints import load_checkpoint_file
from ssl_bev.engine import PreemptionHook

HOOKS = dict(
    checkpoint=dict(type='SafeCheckpointHook', interval=100, save_last=False), preemption=dict(type='PreemptionHook')
)
VALIDATION = dict(
    val_dataloader=dict(
        dataset=dict(type='ToyDataset', length=8, augment=False),
        sampler=dict(type='DefaultSampler', shuffle=False),
        batch_size=1,
        num_workers=1,
    ),
    val_evaluator=dict(type='BEVIoUMetric', classes=CLASSES),
    val_cfg=dict(),
)


def options(**hooks) -> dict:
    return copy.deepcopy(dict(optim_wrapper=ACCUMULATE, default_hooks=HOOKS | hooks))


def train(rank: int, folder: Path, workers: int, seconds: float, validation: bool = False, **hooks) -> None:
    """A run that is slow from its 5th iteration on, between two updates. Its workers have threads of libraries."""
    os.register_at_fork(after_in_child=lambda: threading.Thread(target=time.sleep, args=(60,), daemon=True).start())
    slow = dict(type='SlowHook', seconds=seconds, begin=4, validation=validation)
    more = copy.deepcopy(VALIDATION) if validation else {}
    run(folder, two_phases(workers), 'signalled', workers, **options(slow=slow, **hooks), **more)


@pytest.fixture(scope='module')
def straight(tmp_path_factory: pytest.TempPathFactory):
    return run(tmp_path_factory.mktemp('straight'), two_phases(), 'straight', **options())


@pytest.mark.parametrize(
    ('name', 'to_all', 'workers'), [('SIGTERM', False, 0), ('SIGUSR1', False, 2), ('SIGTERM', True, 2)]
)
def test_a_signal(straight, tmp_path: Path, name: str, to_all: bool, workers: int) -> None:
    """To the main process, or to all of the group as `timeout` and job managers send it, workers included."""
    (process,) = processes = start(train, tmp_path, workers, 0.3)
    wait_for(tmp_path / 'progress', lambda text: text == '4')
    (os.killpg if to_all else os.kill)(process.pid, getattr(signal, name))
    assert exit_codes(processes) == [143]
    checkpoint = tmp_path / 'preempted.pth'
    assert (tmp_path / 'last_checkpoint').read_text() == str(checkpoint)
    done = load_checkpoint_file(checkpoint)['meta']['iter']
    assert done in (5, 6)  # the next iteration, or the one that had begun by the time of the signal
    assert_same_run(run(tmp_path, two_phases(), 'resumed', resume=True, **options()), straight, done)
    assert not list(tmp_path.glob('.*'))


def test_a_second_signal_exits_at_once(tmp_path: Path) -> None:
    (process,) = processes = start(train, tmp_path, 1, 30)
    wait_for(tmp_path / 'progress', lambda text: text == '4')
    os.kill(process.pid, signal.SIGTERM)
    time.sleep(0.2)
    assert process.is_alive()
    begin = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    assert exit_codes(processes, 20) == [143]
    assert time.monotonic() - begin < 10
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.parametrize('is_saved', [False, True])
def test_a_signal_during_validation(straight, tmp_path: Path, is_saved: bool) -> None:
    """Where the end of the epoch is saved, the run leaves; else after validation, and loses nothing either."""
    saving = dict(type='SafeCheckpointHook', interval=1) if is_saved else HOOKS['checkpoint']
    (process,) = processes = start(partial(train, checkpoint=saving), tmp_path, 1, 0.1, True)
    wait_for(tmp_path / 'validates')
    os.killpg(process.pid, signal.SIGTERM)
    assert exit_codes(processes) == [143]
    assert (tmp_path / 'preempted.pth').exists() is not is_saved
    assert_same_run(run(tmp_path, two_phases(), 'resumed', resume=True, **options()), straight, 4)


def train_two(rank: int, folder: Path, name: str, resume: str | None, seconds: float) -> None:
    slow = dict(type='SlowHook', seconds=seconds, begin=2)
    runner, rows = run_distributed(folder, two_phases(1), name, 1, resume, **options(slow=slow))
    if rank == 0:
        torch.save(dict(weights=weights_of(runner), losses={i: row['loss'] for i, row in rows.items()}), folder / name)


@pytest.mark.slow
def test_one_of_two_processes_is_signalled(tmp_path: Path) -> None:
    """All agree: they save after the same iteration."""
    on_processes(2, train_two, tmp_path / 'a', 'straight', None, 0)
    processes = start(train_two, tmp_path / 'b', 'stopped', None, 0.3, count=2)
    wait_for(tmp_path / 'b/progress', lambda text: text == '3')
    os.kill(processes[1].pid, signal.SIGUSR1)
    assert exit_codes(processes) == [143, 143]
    on_processes(2, train_two, tmp_path / 'b', 'resumed', 'auto', 0)
    straight, resumed = (torch.load(tmp_path / name, weights_only=True) for name in ('a/straight', 'b/resumed'))
    assert min(resumed['losses']) in (4, 5)
    assert all(straight['losses'][iteration] == loss for iteration, loss in resumed['losses'].items())
    assert all(torch.equal(resumed['weights'][name], weight) for name, weight in straight['weights'].items())


def test_signals_are_heard_in_training_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = []
    step = ToySegmentor.train_step
    monkeypatch.setattr(
        ToySegmentor, 'train_step',
        lambda self, *args, **more: heard.append(signal.getsignal(signal.SIGTERM)) or step(self, *args, **more),
    )  # fmt: skip
    before = signal.getsignal(signal.SIGTERM)
    run(tmp_path, [dict(name='a', epochs=1)], 'heard', **options())
    assert heard[0] is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_children_that_inherit_the_handler_can_be_terminated() -> None:
    """Pools of evaluations and loaders end their processes with SIGTERM."""
    hook = PreemptionHook()
    hook.before_train(None)
    try:
        context = multiprocessing.get_context('fork')
        started = context.Event()  # Python drops signals that come in the middle of a fork
        child = context.Process(target=lambda: started.set() or time.sleep(60))
        child.start()
        assert started.wait(20)
        child.terminate()
        child.join(20)
        assert child.exitcode == -signal.SIGTERM
    finally:
        hook.after_train(None)


def test_unknown_signals_are_named() -> None:
    with pytest.raises(ValueError, match="signals must be a list of names, got 'SIGTERM'"):
        PreemptionHook(signals='SIGTERM')
    with pytest.raises(ValueError, match='signals must be names such as SIGTERM and SIGUSR1, got USR1'):
        PreemptionHook(signals=['SIGTERM', 'USR1'])
