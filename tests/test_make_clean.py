"""`make clean` removes what set-up and demo made, and nothing that people trained."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
MADE = (
    '.venv/bin/python', '.venv-torch2.1.2-py3.10/bin/python', 'work_dirs/demo/epoch_1.pth',
    'data/synthetic_nuscenes/a.json', 'ssl_bev/__pycache__/a.pyc',
)  # fmt: skip
TRAINED = ('work_dirs/mine/epoch_1.pth', 'work_dirs/demo2/a.pth', 'data/nuscenes/a.pkl', 'ssl_bev/a.py', 'epoch_1.pth')


def test_what_was_trained_is_kept(tmp_path: Path) -> None:
    shutil.copy(PROJECT / 'Makefile', tmp_path)
    for name in (*MADE, *TRAINED):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    done = subprocess.run(['make', 'clean'], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [name for name in MADE if (tmp_path / name).exists()] == []
    assert [name for name in TRAINED if not (tmp_path / name).exists()] == []
