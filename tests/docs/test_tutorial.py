"""The notebook of the documentation runs, and does what its text says."""

import json
from pathlib import Path

import matplotlib
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.long
def test_the_tutorial(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    matplotlib.use('Agg')
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    monkeypatch.setenv('SSL_BEV_SYNTHETIC', '')  # the notebook sets it
    cells = json.loads((ROOT / 'docs' / 'tutorial.ipynb').read_text())['cells']
    names = {}
    for cell in cells:
        if cell['cell_type'] == 'code':
            exec(''.join(cell['source']), names)
    assert names['images'].shape == (2, 6, 3, 128, 352)
    losses = names['history']
    assert {'loss_reprojection', 'loss_perspective', 'loss_temporal'} <= set(losses)
    assert losses['loss_reprojection'][-1] < 0.7 * losses['loss_reprojection'][0]
    drivable = names['predicted'].pred_bev_seg[names['drivable']]
    assert ((drivable >= 0) & (drivable <= 1)).all()
    # The map agrees with the pseudo-label where the front camera sees the road.
    target = names['predicted'].pseudo_target[-1, names['front'], names['drivable']]
    asked = names['valid'] & (target != names['IGNORED'])
    right = ((names['on_road'][names['drivable']] > 0.5) == (target > 127))[asked].float().mean()
    assert torch.count_nonzero(asked) > 1000 and right > 0.8
    assert names['panel'].ndim == 3
