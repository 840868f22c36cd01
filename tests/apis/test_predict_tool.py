import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'predict.py'


def predict(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
    runpy.run_path(str(TOOL), run_name='__main__')


def test_one_array_and_one_panel_for_each_sample(monkeypatch, config_file, checkpoint, tmp_path):
    out = tmp_path / 'out'
    predict(monkeypatch, config_file, checkpoint, '--out', out)
    tokens = ['token0', 'token1', 'token2']
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [f'{token}.npz' for token in tokens] + [f'panel_{token}.png' for token in tokens]
    )
    assert cv2.imread(str(out / 'panel_token0.png')).shape[2] == 3
    assert np.load(out / 'token2.npz')['probabilities'].shape == (2, 8, 16)


def test_limit_and_no_panels(monkeypatch, config_file, checkpoint, tmp_path):
    out = tmp_path / 'out'
    predict(monkeypatch, config_file, checkpoint, '--out', out, '--limit', 2, '--no-panels')
    assert sorted(path.name for path in out.iterdir()) == ['token0.npz', 'token1.npz']


@pytest.mark.parametrize('missing', ['config', 'checkpoint', 'infos', 'data_root'])
def test_a_missing_file_is_named_and_nothing_written(monkeypatch, config_file, checkpoint, tmp_path, missing):
    absent = tmp_path / f'absent_{missing}'
    positional = [absent if missing == 'config' else config_file, absent if missing == 'checkpoint' else checkpoint]
    options = [f'--{missing.replace("_", "-")}', absent] if missing in ('infos', 'data_root') else []
    with pytest.raises(SystemExit, match=rf'error: (no|config file) .*absent_{missing}'):
        predict(monkeypatch, *positional, '--out', tmp_path / 'out', *options)
    assert not (tmp_path / 'out').exists()
