"""A model and a dataset small enough to predict in milliseconds, in the place of the real ones."""

import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from toy_parts import CONFIG, write_checkpoint

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'tools'), str(ROOT / 'tests/models')]


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / 'toy.py'
    path.write_text(CONFIG)
    return path


@pytest.fixture
def checkpoint(config_file: Path, tmp_path: Path) -> Path:
    return write_checkpoint(config_file, tmp_path / 'toy.pth')


@pytest.fixture
def config(config_file: Path) -> Config:
    return Config.fromfile(str(config_file))


@pytest.fixture(autouse=True)
def scope_of_a_loaded_config(no_scope_of_another_test: None) -> None:
    """What `load_config` sets; here configs are loaded once for many tests."""
    init_default_scope('mmdet3d')
