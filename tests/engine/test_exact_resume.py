"""A run that is resumed from any iteration is the run that was not interrupted, bit by bit."""

from __future__ import annotations

import copy
import json
import multiprocessing
from pathlib import Path

import pytest
import torch
from engine_toy import (
    PRETRAIN,
    RecordHook,
    ToyDataset,
    dataloader,
    make_config,
    make_runner,
    run,
    two_phases,
    weights_of,
)
from mmdet3d.registry import DATA_SAMPLERS
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.runner import Runner
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler

from ssl_bev.engine import derive_seed
from ssl_bev.engine.seeded_loader import SeededLoader

ACCUMULATE = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01), accumulative_counts=3)
EVERY_ITERATION = dict(
    checkpoint=dict(type='SafeCheckpointHook', by_epoch=False, interval=1), logger=dict(type='LoggerHook', interval=2)
)
EXACT = dict(atol=0, rtol=0)
LENGTH = 2 * 4 + 3 * 3
# In both phases: inside and at the end of an epoch, between updates (3, 6, ...) and at them.
PLACES = (1, 4, 6, 8, 10, 11, 15)


def logged(folder: Path) -> dict[int, dict]:
    """What the log says of each step, without times."""
    rows = {}
    for file in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            rows[row['step']] = {key: value for key, value in row.items() if 'time' not in key}
    return rows


def optimizer_state(runner: Runner) -> list[torch.Tensor]:
    return [
        value for state in runner.optim_wrapper.optimizer.state_dict()['state'].values() for value in state.values()
    ]


def assert_same_run(resumed: tuple[Runner, dict], straight: tuple[Runner, dict], done: int) -> None:
    """Weights, state of the optimizer, and every loss, learning rate and input from there on."""
    (runner, rows), (expected_runner, expected) = resumed, straight
    assert sorted(rows) == list(range(done, LENGTH))
    for iteration, row in rows.items():
        assert (row['loss'], row['lr']) == (expected[iteration]['loss'], expected[iteration]['lr']), iteration
        assert torch.equal(row['inputs'], expected[iteration]['inputs']), iteration
    for name, weight in weights_of(expected_runner).items():
        assert torch.equal(weights_of(runner)[name], weight), name
    states = optimizer_state(runner), optimizer_state(expected_runner)
    assert len(states[0]) == len(states[1]) > 0
    assert all(torch.equal(*pair) for pair in zip(*states, strict=True))


@pytest.fixture(scope='module')
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Runner, dict]]:
    folder = tmp_path_factory.mktemp('straight')
    options = dict(optim_wrapper=copy.deepcopy(ACCUMULATE), default_hooks=copy.deepcopy(EVERY_ITERATION))
    return folder, run(folder, two_phases(), 'straight', **options)


@pytest.mark.parametrize(('done', 'workers'), [*((place, 0) for place in PLACES), (6, 2), (10, 2)])
def test_resume_at_any_iteration(straight, tmp_path: Path, done: int, workers: int) -> None:
    """With workers as without, though the straight run had none."""
    folder, expected = straight
    resumed = run(
        tmp_path, two_phases(workers), f'resumed{done}_{workers}', workers,
        optim_wrapper=copy.deepcopy(ACCUMULATE), default_hooks=copy.deepcopy(EVERY_ITERATION),
        resume=True, load_from=str(folder / f'iter_{done}.pth'),
    )  # fmt: skip
    assert_same_run(resumed, expected, done)
    lines, expected_lines = logged(tmp_path), logged(folder)
    assert lines.keys() == {step for step in expected_lines if step > done}
    for step, line in lines.items():
        assert line == expected_lines[step]


def test_what_was_seen_is_not_read_again(straight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    item = ToyDataset.__getitem__
    monkeypatch.setattr(ToyDataset, '__getitem__', lambda self, index: read.append(index) or item(self, index))
    options = dict(optim_wrapper=copy.deepcopy(ACCUMULATE), default_hooks=copy.deepcopy(EVERY_ITERATION))
    run(tmp_path, two_phases(), 'unread', resume=True, load_from=str(straight[0] / 'iter_6.pth'), **options)
    assert len(read) == 2 * (LENGTH - 6)


def test_a_checkpoint_of_a_process_that_dies_in_the_next_iteration(straight, tmp_path: Path) -> None:
    class Dies(RuntimeError):
        pass

    class DyingHook(RecordHook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter == 10:
                raise Dies

    options = dict(optim_wrapper=copy.deepcopy(ACCUMULATE), default_hooks=copy.deepcopy(EVERY_ITERATION))
    runner = make_runner(tmp_path, two_phases(), 'dying', **copy.deepcopy(options))
    runner.register_hook(DyingHook())
    with pytest.raises(Dies):
        runner.train()
    resumed = run(tmp_path, two_phases(), 'again', resume=True, **copy.deepcopy(options))
    assert_same_run(resumed, straight[1], 10)


def test_without_phases_too(tmp_path: Path) -> None:
    """Any epoch-based config of mmengine: one hook more."""
    options = dict(custom_hooks=[dict(type='ExactResumeHook'), dict(type='RecordHook')])
    options.update(default_hooks=EVERY_ITERATION, train_cfg=dict(by_epoch=True, max_epochs=3))
    expected, rows = run(tmp_path / 'a', [], 'plain_a', **copy.deepcopy(options))
    source = str(tmp_path / 'a/iter_6.pth')
    resumed, again = run(tmp_path / 'b', [], 'plain_b', resume=True, load_from=source, **copy.deepcopy(options))
    assert [again[i]['loss'] for i in range(6, 12)] == [rows[i]['loss'] for i in range(6, 12)]
    assert all(torch.equal(weights_of(resumed)[name], weight) for name, weight in weights_of(expected).items())


def test_loops_over_iterations_are_refused(tmp_path: Path) -> None:
    options = dict(train_cfg=dict(by_epoch=False, max_iters=6), param_scheduler=None)
    with pytest.raises(ValueError, match='middle of epochs, the train loop is a IterBasedTrainLoop'):
        run(tmp_path, [], 'refused', custom_hooks=[dict(type='ExactResumeHook')], **options)


def test_datasets_without_indices_are_refused() -> None:
    class Stream(IterableDataset):
        def __iter__(self):
            yield 0

    with pytest.raises(ValueError, match=r'needs a dataset with indices, read in batches; .* has Stream'):
        SeededLoader(DataLoader(Stream()))


def persistent(phases: list[dict]) -> tuple[list[dict], dict]:
    """The phases, and the train dataloader, with workers that stay."""
    staying = dict(num_workers=2, persistent_workers=True)
    for phase in phases:
        phase.get('train_dataloader', {}).update(staying)
    return phases, dataloader(**staying)


@pytest.mark.parametrize('done', [0, 6, 10])
def test_persistent_workers(straight, tmp_path: Path, done: int) -> None:
    """Straight, and resumed in the middle of an epoch of either phase; the straight run read without workers."""
    folder, expected = straight
    phases, loader = persistent(two_phases())
    resumed = run(
        tmp_path, phases, f'persistent{done}', train_dataloader=loader,
        optim_wrapper=copy.deepcopy(ACCUMULATE), default_hooks=copy.deepcopy(EVERY_ITERATION),
        resume=bool(done), load_from=str(folder / f'iter_{done}.pth') if done else None,
    )  # fmt: skip
    assert_same_run(resumed, expected, done)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize('shuffle', [DefaultSampler, RandomSampler])
def test_workers_stay_and_read_the_same(shuffle: type) -> None:
    """Whatever they have read before, and from any place of the epoch on; also where order is drawn globally."""

    def loader(**workers) -> DataLoader:
        dataset = ToyDataset(10)
        sampler = shuffle(dataset) if shuffle is RandomSampler else shuffle(dataset, seed=0)
        return DataLoader(dataset, 2, sampler=sampler, collate_fn=lambda batch: batch, **workers)

    def read(reader: SeededLoader, seed: int, first: int = 0) -> torch.Tensor:
        torch.rand(seed)  # what was drawn before does not matter
        return torch.stack([sample['inputs'] for batch in reader.epoch(seed, first) for sample in batch])

    reader, workers = SeededLoader(loader(num_workers=2, persistent_workers=True)), []
    for seed, first in ((1, 0), (2, 3), (1, 2)):
        torch.testing.assert_close(read(reader, seed, first), read(SeededLoader(loader()), seed)[2 * first :], **EXACT)
        workers.append({process.pid for process in multiprocessing.active_children()})
    assert len(workers[0]) == 2 and workers[0] == workers[1] == workers[2]


def test_a_sampler_without_a_seed_is_told_the_epoch(tmp_path: Path) -> None:
    @DATA_SAMPLERS.register_module(force=True)
    class SeedlessSampler(SequentialSampler):
        def __init__(self, dataset: ToyDataset, seed: int | None = None) -> None:
            super().__init__(dataset)

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

    loader = dataloader()
    loader['sampler'] = dict(type='SeedlessSampler')
    runner, rows = run(tmp_path, [dict(PRETRAIN, epochs=1)], 'seedless', train_dataloader=loader)
    assert len(rows) == 4 and runner.train_loop.dataloader.sampler.epoch == derive_seed('pretrain', 0)


def test_pinned_memory_is_for_gpus(recwarn: pytest.WarningsRecorder) -> None:
    list(SeededLoader(DataLoader(ToyDataset(2), collate_fn=list, pin_memory=True)).epoch(0))
    assert not [warning for warning in recwarn if 'pin' in str(warning.message)] or torch.cuda.is_available()


class TestAnotherBatchSize:
    """As another number of processes, which test_distributed_runs.py has."""

    def resumed(self, straight, tmp_path: Path, done: int) -> tuple[list[str], Runner, dict]:
        phases = two_phases()
        for phase in phases:
            phase['train_dataloader'] = phase.get('train_dataloader') or dataloader()
            phase['train_dataloader']['batch_size'] = 1
        said = []
        config = make_config(
            tmp_path, phases, f'changed{done}', resume=True, load_from=str(straight[0] / f'iter_{done}.pth')
        )
        runner = Runner.from_cfg(Config(dict(config, train_dataloader=phases[0]['train_dataloader'])))
        warn, runner.logger.warning = runner.logger.warning, lambda text, *more: said.append(text) or warn(text, *more)
        runner.train()
        return said, runner, next(hook for hook in runner.hooks if isinstance(hook, RecordHook)).rows

    def test_goes_on_after_the_samples_that_were_seen(self, straight, tmp_path: Path) -> None:
        said, _, rows = self.resumed(straight, tmp_path, 6)
        (warning,) = [text for text in said if 'cannot be the same run' in text]
        assert '1 process(es) of 4 batches of 2, this run has 1 process(es) of 8 batches of 1' in warning
        assert 'goes on in epoch 2 after 4 batches' in warning
        _, (_, expected) = straight
        assert min(rows) == 2 * 6 and max(rows) == 2 * LENGTH - 1
        indices = torch.cat([rows[i]['inputs'] for i in range(12, 16)]).mul(10).round()
        assert indices.shape == torch.cat([expected[i]['inputs'] for i in (6, 7)]).shape

    @pytest.mark.parametrize('done', [6, 11])
    def test_schedules_have_the_new_length(self, straight, tmp_path: Path, done: int) -> None:
        _, (_, expected) = straight
        _, _, rows = self.resumed(straight, tmp_path, done)
        for iteration, row in expected.items():
            if iteration >= done:
                assert rows[2 * iteration]['lr'] == pytest.approx(row['lr'], rel=1e-6), iteration
