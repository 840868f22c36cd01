"""The real model, too, goes on bit by bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner
from real_run import EPOCH, PHASES, NoteHook, config_of

ACCUMULATE = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3), accumulative_counts=2)
EVERY_ITERATION = dict(checkpoint=dict(type='SafeCheckpointHook', by_epoch=False, interval=1))


def run(folder: Path, workers: int, **options) -> tuple[dict[str, torch.Tensor], list[dict]]:
    config = config_of(folder, work_dir=str(folder), **options)
    config.default_hooks.update(EVERY_ITERATION)
    config.optim_wrapper = ACCUMULATE
    config.train_dataloader.num_workers = workers
    runner = Runner.from_cfg(config)
    runner.train()
    return dict(runner.model.named_parameters()), next(h for h in runner.hooks if isinstance(h, NoteHook)).rows


@pytest.mark.usefixtures('plain_config_text')
def test_in_the_middle_of_epoch_and_accumulation_in_each_phase(tmp_path: Path) -> None:
    weights, rows = run(tmp_path / 'straight', 0)
    assert len(rows) == len(PHASES) * EPOCH
    for done, workers in ((EPOCH + 1, 2), (2 * EPOCH + 1, 0)):
        source = str(tmp_path / f'straight/iter_{done}.pth')
        resumed, again = run(tmp_path / f'resumed{done}', workers, resume=True, load_from=source)
        assert again == rows[done:]
        assert all(torch.equal(resumed[name], weight) for name, weight in weights.items())
