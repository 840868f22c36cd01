"""What two processes have in common, and what becomes of a run on another number of them."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from engine_toy import make_runner, run_distributed, two_phases
from processes import on_processes
from test_exact_resume import ACCUMULATE, EVERY_ITERATION, optimizer_state

from ssl_bev.checkpoints import load_checkpoint_file

OPTIONS = dict(model=dict(type='ToySegmentor', centred=True), optim_wrapper=ACCUMULATE, default_hooks=EVERY_ITERATION)
LENGTH = 2 * 2 + 3 * 2
PLACES = (1, 3, 5, 6)  # in both phases; inside and at the end of an epoch; between updates and at one


def straight_and_resumed(rank: int, folder: Path) -> None:
    """Each process compares; a difference fails the test that waits for it."""
    runner, expected = run_distributed(folder / 'straight', two_phases(2), 'straight', 2, **copy.deepcopy(OPTIONS))
    assert sorted(expected) == list(range(LENGTH))
    for done in PLACES:
        resumed, rows = run_distributed(
            folder / f'resumed{done}', two_phases(), f'resumed{done}',
            resume=str(folder / f'straight/iter_{done}.pth'), **copy.deepcopy(OPTIONS),
        )  # fmt: skip
        assert sorted(rows) == list(range(done, LENGTH))
        for iteration, row in rows.items():
            assert row['loss'] == expected[iteration]['loss'], (rank, done, iteration)
            assert torch.equal(row['inputs'], expected[iteration]['inputs'])
        for mine, theirs in zip(resumed.model.parameters(), runner.model.parameters(), strict=True):
            assert torch.equal(mine, theirs)
        assert all(map(torch.equal, optimizer_state(resumed), optimizer_state(runner)))


@pytest.fixture(scope='module')
def of_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('two')
    on_processes(2, straight_and_resumed, folder)
    return folder


def test_two_processes_resume_exactly(of_two: Path) -> None:
    """The comparison is made by the processes; here, that it was about something."""
    content = load_checkpoint_file(of_two / 'straight/iter_5.pth')
    assert content['meta']['epoch_progress'] == dict(done=1, batches=2, batch_size=2, processes=2)
    first, second = content['accumulated_gradients']
    assert first.keys() == second.keys()
    assert any(not torch.equal(first[name], second[name]) for name in first)
    assert [list(buffers) for buffers in content['process_buffers']] == [[], ['running_mean']]


def test_on_one_process_a_run_goes_on_after_what_was_seen(of_two: Path, tmp_path: Path) -> None:
    runner = make_runner(
        tmp_path, two_phases(), 'one', resume=True, load_from=str(of_two / 'straight/iter_3.pth'),
        **copy.deepcopy(OPTIONS),
    )  # fmt: skip
    said = []
    runner.logger.warning = lambda text, *more: said.append(text)
    runner.train()
    (warning,) = [text for text in said if 'cannot be the same run' in text]
    assert '2 process(es) of 2 batches of 2, this run has 1 process(es) of 4 batches of 2' in warning
    assert 'goes on in epoch 2 after 2 batches' in warning
    rows = next(hook for hook in runner.hooks if type(hook).__name__ == 'RecordHook').rows
    assert sorted(rows) == list(range(4 + 2, 2 * 4 + 3 * 3))  # the second epoch from its middle
    assert rows[8]['lr'] == 0.02 and rows[16]['lr'] < 0.001


def go_on_after_one(rank: int, folder: Path) -> None:
    """Two processes after one: in the middle of the second epoch, with the same weights at the end."""
    runner, rows = run_distributed(
        folder / 'two', two_phases(), 'two', resume=str(folder / 'one/iter_6.pth'),
        **copy.deepcopy(OPTIONS),
    )  # fmt: skip
    assert sorted(rows) == list(range(2 + 1, LENGTH))
    weights = torch.cat([parameter.detach().flatten() for parameter in runner.model.parameters()])
    both = [torch.empty_like(weights) for _ in range(2)]
    torch.distributed.all_gather(both, weights)
    assert torch.equal(*both)


def test_on_two_processes_a_run_of_one_goes_on(tmp_path: Path) -> None:
    make_runner(tmp_path / 'one', two_phases(), 'one', **copy.deepcopy(OPTIONS)).train()
    on_processes(2, go_on_after_one, tmp_path)
    (log,) = (tmp_path / 'two').glob('*/*.log')
    assert '1 process(es) of 4 batches of 2, this run has 2 process(es) of 2 batches of 2' in log.read_text()


def save_with_the_stock_hook(rank: int, folder: Path) -> None:
    stock = copy.deepcopy(OPTIONS)
    stock['default_hooks']['checkpoint'].update(type='CheckpointHook', interval=2)
    run_distributed(folder, two_phases(), 'stock', log_level='WARNING', **stock)


def test_the_stock_checkpoint_hook_cannot_and_says_so(tmp_path: Path) -> None:
    on_processes(2, save_with_the_stock_hook, tmp_path)
    (log,) = tmp_path.glob('*/*.log')
    assert 'lacks the gradients and running statistics of the other processes; use Safe' in log.read_text()
