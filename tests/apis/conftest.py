"""A model and a dataset small enough to predict in milliseconds, in the place of the real ones."""

import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ssl_bev.apis import init_model

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'tools'), str(ROOT / 'tests/models')]
CONFIG = """
custom_imports = dict(imports=['toy_parts'], allow_failed_imports=False)
default_scope = 'mmdet3d'
model = dict(type='ConstantSegmentor', classes=['drivable_area', 'stop_line'], width=3)
test_dataloader = dict(
    batch_size=2, num_workers=2, persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='RampDataset', ann_file='none.pkl', data_root='nowhere', label_dir='labels', label_fraction=0.5))
"""


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / 'toy.py'
    path.write_text(CONFIG)
    return path


@pytest.fixture
def checkpoint(config_file: Path, tmp_path: Path) -> Path:
    model = init_model(config_file)
    with torch.no_grad():
        model.logit.fill_(2.0)
    path = tmp_path / 'toy.pth'
    torch.save({'state_dict': model.state_dict(), 'meta': {'epoch': 1}}, path)
    return path


@pytest.fixture
def config(config_file: Path) -> Config:
    return Config.fromfile(str(config_file))


@pytest.fixture(autouse=True)
def scope_of_a_loaded_config(no_scope_of_another_test: None) -> None:
    """What `load_config` sets; here configs are loaded once for many tests."""
    init_default_scope('mmdet3d')
