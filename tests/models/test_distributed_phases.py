"""Several processes go through both phases with the real model, though one never sees anything to learn from."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import torch
from distributed_worker import images_of, make_real_model, sample_of
from emptied import without_anything
from mmdet3d.registry import DATASETS, HOOKS, MODELS
from mmengine.config import Config
from mmengine.dist import get_dist_info
from mmengine.hooks import Hook
from mmengine.runner import Runner
from processes import exit_codes, start

import ssl_bev.datasets  # noqa: F401  (registers the preprocessor)
from ssl_bev.engine.launch import prepare_run

MODELS.register_module(name='RealModel', module=lambda: make_real_model(dict(type='BEVDataPreprocessor')), force=True)
PHASES = [
    dict(name='image', epochs=1, losses=dict(perspective=1.0)),
    dict(name='pretrain', epochs=1, losses=dict(reprojection=1.0, temporal=0.5, accumulated=1.0, perspective=0.5)),
    dict(name='finetune', epochs=1, losses=dict(seg=1.0, completed=1.0), init_classes='coarse'),
]
EPOCH = 3
pytestmark = pytest.mark.usefixtures('plain_config_text')


@DATASETS.register_module()
class RealSamples(torch.utils.data.Dataset):
    """Two samples for each process and iteration; those of the last process are empty."""

    def __len__(self):
        return 2 * EPOCH * get_dist_info()[1]

    def __getitem__(self, index):
        rank, count = get_dist_info()
        sample = sample_of(index % 2)
        if rank == count - 1:
            without_anything(sample)
        return dict(inputs=dict(img=images_of([index])[0]), data_samples=sample)


@HOOKS.register_module()
class NoteHook(Hook):
    def __init__(self):
        self.rows = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.rows.append({name: value.item() for name, value in outputs.items() if 'loss' in name})


def config_of(folder: Path) -> Config:
    loader = dict(dataset=dict(type='RealSamples'), sampler=dict(type='DefaultSampler', shuffle=True), batch_size=2)
    return Config(
        dict(
            default_scope='mmdet3d',
            model=dict(type='RealModel'),
            train_dataloader=dict(loader, num_workers=0),
            train_cfg=dict(by_epoch=True, max_epochs=len(PHASES)),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3), clip_grad=dict(max_norm=1)),
            default_hooks=dict(
                checkpoint=dict(type='SafeCheckpointHook', interval=1),
                preemption=dict(type='PreemptionHook'),
                non_finite=dict(type='NonFiniteHook'),
            ),
            custom_hooks=[
                dict(type='TwoPhaseHook', phases=PHASES), dict(type='ExactResumeHook'), dict(type='NoteHook')
            ],
            randomness=dict(seed=0),
            experiment_name=folder.name,
            log_level='WARNING',
        )
    )  # fmt: skip


def train(rank: int, folder: Path) -> None:
    config = config_of(folder)
    prepare_run(config, folder, 'pytorch')
    assert config.model_wrapper_cfg['find_unused_parameters'] is False
    runner = Runner.from_cfg(config)
    runner.train()
    rows = next(hook for hook in runner.hooks if isinstance(hook, NoteHook)).rows
    (folder / f'{rank}.json').write_text(json.dumps(rows))
    torch.save(dict(runner.model.module.named_parameters()), folder / f'{rank}.pth')


@pytest.mark.parametrize('count', [2, 3])
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
