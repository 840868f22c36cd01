"""Several processes go through both phases with the real model, though one never sees anything to learn from."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import torch
from distributed_worker import make_real_model, step
from mmdet3d.registry import HOOKS
from mmdet3d.utils import register_all_modules
from mmengine.dist import get_dist_info
from mmengine.hooks import Hook
from mmengine.runner import Runner
from processes import exit_codes, start
from real_run import EPOCH, PHASES, NoteHook, config_of

from ssl_bev.engine.launch import prepare_run

pytestmark = pytest.mark.usefixtures('plain_config_text')


@pytest.fixture(scope='module', autouse=True)
def all_is_loaded() -> None:
    """So that the forks need not load it, each for itself."""
    register_all_modules(init_default_scope=False)
    step(make_real_model(), [0])


def train(rank: int, folder: Path) -> None:
    config = config_of(folder)
    prepare_run(config, folder, 'pytorch')
    assert config.model_wrapper_cfg['find_unused_parameters'] is False
    runner = Runner.from_cfg(config)
    runner.train()
    rows = next(hook for hook in runner.hooks if isinstance(hook, NoteHook)).rows
    (folder / f'{rank}.json').write_text(json.dumps(rows))
    torch.save(dict(runner.model.module.named_parameters()), folder / f'{rank}.pth')


@pytest.mark.parametrize('count', [pytest.param(2, marks=pytest.mark.long), 3])
def test_one_process_has_empty_batches(tmp_path: Path, count: int) -> None:
    assert exit_codes(start(train, tmp_path, count=count), 240) == [0] * count
    rows = [json.loads((tmp_path / f'{rank}.json').read_text()) for rank in range(count)]
    assert [len(one) for one in rows] == [len(PHASES) * EPOCH] * count
    assert len({tuple(row) for one in rows for row in one}) == 1
    for phase, names in enumerate(('perspective', 'reprojection', 'seg')):
        row = rows[0][phase * EPOCH]
        assert row[f'loss_{names}'] > 0, row
    weights = [torch.load(tmp_path / f'{rank}.pth', weights_only=True) for rank in range(count)]
    for name, weight in weights[0].items():
        assert weight.isfinite().all()
        assert all(torch.equal(other[name], weight) for other in weights), name


@HOOKS.register_module()
class DyingHook(Hook):
    def __init__(self, rank: int, how: str):
        self.rank, self.how = rank, how

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == EPOCH + 1 and get_dist_info()[0] == self.rank:
            if self.how == 'killed':
                os.kill(os.getpid(), 9)
            raise RuntimeError('this process is broken')


def train_and_die(rank: int, folder: Path, who: int, how: str) -> None:
    config = config_of(folder)
    config.custom_hooks.append(dict(type='DyingHook', rank=who, how=how))
    prepare_run(config, folder, 'pytorch')
    Runner.from_cfg(config).train()


@pytest.mark.parametrize(('who', 'how'), [(0, 'raises'), (1, 'killed')])
def test_the_death_of_one_ends_the_others(tmp_path: Path, capfd, who: int, how: str) -> None:
    processes = start(train_and_die, tmp_path, who, how, count=2)
    codes = exit_codes(processes[who : who + 1], 120)
    begin = time.monotonic()
    codes += exit_codes(processes[1 - who : 2 - who], 60)
    assert time.monotonic() - begin < 60
    assert codes[0] == (-9 if how == 'killed' else 1) and codes[1] not in (0, None)
    assert ('this process is broken' in capfd.readouterr().err) is (how == 'raises')
