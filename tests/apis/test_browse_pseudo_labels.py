"""Browsing the hand-made data set, whose labels are the same everywhere."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from ssl_bev.apis.browse_pseudo_labels import browse_pseudo_labels
from ssl_bev.files import read_picture
from ssl_bev.preparation.accumulate_dataset import Accumulation
from ssl_bev.pseudo_labels import PseudoLabelWriter


@pytest.fixture(scope='module')
def pseudo_labels(tiny_root, tmp_path_factory):
    root = tmp_path_factory.mktemp('labels')
    ids = np.zeros((48, 96), np.uint8)
    ids[:12] = 1
    with PseudoLabelWriter(root, 'painter', 'a' * 64, ['Road', 'Sky']) as writer:
        for path in (tiny_root / 'samples').rglob('*.jpg'):
            writer.write(path.parent.name, path.stem, ids, np.full(ids.shape, 255, np.uint8))
    return root


def test_sheets_and_shares(tiny_data, tiny_root, pseudo_labels, tmp_path):
    labels = {'root': str(pseudo_labels), 'label_map': 'mapillary_v1', 'classes': ['drivable']}
    infos = [tiny_data / f'ssl_bev_infos_{split}.pkl' for split in ('train', 'val')]
    arguments = (infos, tiny_root, tmp_path, Accumulation(labels, max_distance=10))
    shares = browse_pseudo_labels(*arguments, tiny_data / 'bev_labels', limit=3)
    assert shares == {'Road': 0.75, 'Sky': 0.25}
    # Evenly spread over nine frames: the first, the fifth, the last.
    names = ['scene-0061-sample0', 'scene-0103-sample2', 'scene-0553-sample1']
    assert sorted(path.name for path in tmp_path.iterdir()) == ['histogram.png', *(f'{name}.png' for name in names)]
    with_truth = read_picture(tmp_path / 'scene-0061-sample0.png')
    browse_pseudo_labels(*arguments, limit=1)
    assert read_picture(tmp_path / 'scene-0061-sample0.png').shape[1] < with_truth.shape[1]
    with pytest.raises(ValueError, match='limit must be at least 1, got 0'):
        browse_pseudo_labels(*arguments, limit=0)


def test_the_tool(tiny_data, tiny_root, pseudo_labels, tmp_path, monkeypatch, capsys):
    tool = Path(__file__).resolve().parents[2] / 'tools' / 'browse_pseudo_labels.py'
    command = ['--infos', str(tiny_data / 'ssl_bev_infos_val.pkl'), '--data-root', str(tiny_root), '--limit', '1']
    command += ['--pseudo-labels', str(pseudo_labels), '--label-map', 'mapillary_v1', '--out', str(tmp_path / 'out')]
    monkeypatch.setattr(sys, 'argv', [str(tool), *command, '--classes', 'drivable'])
    runpy.run_path(str(tool), run_name='__main__')
    assert '75.000 %  Road' in capsys.readouterr().out
    monkeypatch.setattr(sys, 'argv', [*sys.argv[:-1], 'crosswalk'])
    with pytest.raises(SystemExit, match=r"error: .*target 'crosswalk' is missing from the teacher"):
        runpy.run_path(str(tool), run_name='__main__')
    assert len(list((tmp_path / 'out').glob('*.png'))) == 2
