"""Memory stays as it is after a while, and nothing is left when a run is over."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from sessions import PROJECT, alive_in_session

MOST = 0.05  # MB an iteration; 300 of them are then 15 MB


def slope(rows: np.ndarray) -> float:
    """MB an iteration, by least squares."""
    return float(np.polyfit(rows[:, 0], rows[:, 1] + rows[:, 2], 1)[0])


@pytest.mark.long
def test_300_iterations_and_300_samples(config, begin, tmp_path: Path) -> None:
    """150 iterations in each phase; the first 50 of each, and the first 100 samples, are warm-up."""
    file = config(150, custom_hooks=[dict(type='MemoryHook')], imports=['memory_hook'], val_times=100)
    process = begin(sys.executable, PROJECT / 'tools/train.py', file, '--work-dir', 'run')
    assert process.wait(3600) == 0, (tmp_path / 'output').read_text()[-3000:]
    train, val = (np.array(json.loads((tmp_path / f'run/memory_{what}.json').read_text())) for what in ('train', 'val'))
    assert len(train) == 300 and len(val) >= 300
    slopes = dict(pretrain=slope(train[50:150]), finetune=slope(train[200:]), evaluation=slope(val[100:]))
    print(dict(MB_per_iteration=slopes, MB_of_main_process=train[-1, 1], MB_of_workers=train[-1, 2]))
    assert max(slopes.values()) < MOST, slopes
    assert not alive_in_session(process.pid)
