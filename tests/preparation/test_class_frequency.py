import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from ssl_bev.datasets.bev_label_files import write_label, write_label_manifest
from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation.class_frequency import class_frequencies, positive_weights


def test_weights_from_a_folder(tmp_path, monkeypatch, capsys):
    """Road on half of the first map and all of the second (3/4), lines on 1 of 100 and 1 of 100 cells."""
    write_label_manifest(tmp_path, ['road', 'line', 'none'], BEVGrid((0, 10), (0, 10), 1.0), 0.5, 'ego', 'test')
    for token, rows in (('a', 5), ('b', 10)):
        masks = np.zeros((3, 10, 10), bool)
        masks[0, :rows] = masks[1, 3, 3] = True
        write_label(tmp_path, token, masks)
    assert class_frequencies(tmp_path) == pytest.approx({'road': 0.75, 'line': 0.01, 'none': 0})
    assert class_frequencies(tmp_path, sample_interval=2)['road'] == 0.5
    assert positive_weights(class_frequencies(tmp_path)) == pytest.approx({'road': 1, 'line': 99**0.5, 'none': 30})
    assert positive_weights({'line': 0.01}, power=1, highest=1000) == pytest.approx({'line': 99})

    tool = Path(__file__).resolve().parents[2] / 'tools' / 'class_weights.py'
    monkeypatch.setattr(sys, 'argv', [str(tool), str(tmp_path)])
    runpy.run_path(str(tool), run_name='__main__')
    assert 'positive_weight=[1.0, 9.95, 30.0]' in capsys.readouterr().out
    for path in tmp_path.glob('*.png'):
        path.unlink()
    with pytest.raises(SystemExit, match='holds no BEV labels'):
        runpy.run_path(str(tool), run_name='__main__')


def test_errors_name_the_argument(tmp_path):
    with pytest.raises(ValueError, match='sample_interval must be at least 1, got 0'):
        class_frequencies(tmp_path, sample_interval=0)
    for arguments, message in (
        (dict(power=-1), 'power must be at least 0, got -1'),
        (dict(power=float('nan')), 'power must be at least 0, got nan'),
        (dict(highest=0.5), 'highest must be at least 1, .* got 0.5'),
    ):
        with pytest.raises(ValueError, match=message):
            positive_weights({'line': 0.01}, **arguments)
