"""Fixtures that several packages share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.registry import DefaultScope
from tiny_nuscenes import VERSION, write_tiny_root

PROJECT = Path(__file__).resolve().parents[1]
os.environ['VIRTUAL_ENV'] = sys.prefix  # so that the launchers take the environment of the tests


# Threads of several test processes slow each other down; children read the variable.
os.environ.setdefault('OMP_NUM_THREADS', '1')
torch.set_num_threads(1)

# These generate a synthetic dataset or start several processes, which takes many seconds.
SLOW_FIXTURES = {'synthetic_root', 'exact_root', 'noisy_root', 'of_two', 'of_two_processes'}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests and those with a slow fixture are also slow."""
    for item in items:
        if item.get_closest_marker('long') or SLOW_FIXTURES & set(getattr(item, 'fixturenames', ())):
            item.add_marker('slow')


@pytest.fixture(autouse=True)
def no_scope_of_another_test() -> None:
    """mmengine's default scope outlives the test that set it, and decides where components are looked for."""
    DefaultScope._instance_dict.clear()


@pytest.fixture(scope='session', autouse=True)
def no_wait_for_the_disk() -> Iterator[None]:
    """Files of tests need not survive a crash of the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, 'fsync', lambda descriptor: None)
        yield


@pytest.fixture
def plain_config_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """mmengine lays out the config's text anew for each checkpoint, most of the time that a toy run takes."""
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **options: (text, True))


@pytest.fixture(scope='session')
def shared_dir() -> Path:
    """The folder with the real keyframe and reference numbers, which are not part of the project."""
    folder = Path(os.environ.get('SSL_BEV_SHARED', PROJECT.parent / 'shared'))
    if not folder.is_dir():
        pytest.skip(f'no folder {folder}; set SSL_BEV_SHARED')
    return folder


@pytest.fixture(scope='session')
def keyframe_dir(shared_dir: Path) -> Path:
    """The real nuScenes keyframe."""
    folder = shared_dir / 'data' / 'nuscenes_keyframe'
    if not folder.is_dir():
        pytest.skip(f'no real keyframe in {folder}; set SSL_BEV_SHARED')
    return folder


@pytest.fixture(scope='session')
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hand-made nuScenes-format root; read only."""
    return write_tiny_root(tmp_path_factory.mktemp('tiny') / 'root')


@pytest.fixture(scope='session')
def tiny_data(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Info files and BEV labels of `tiny_root`; read only."""
    from ssl_bev.preparation.create_infos import create_data

    out = tmp_path_factory.mktemp('tiny_data')
    create_data(tiny_root, VERSION, out, show_progress=False)
    return out


@pytest.fixture(scope='session')
def synthetic_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic nuScenes: two scenes of three frames; read only."""
    tool = PROJECT / 'projects' / 'SyntheticNuScenes' / 'create.py'
    root = tmp_path_factory.mktemp('synthetic') / 'root'
    command = [sys.executable, str(tool), '--out', str(root), '--scenes', '2', '--frames', '3']
    done = subprocess.run([*command, '--image-size', '64', '176'], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return root


@pytest.fixture
def two_camera_rig() -> SimpleNamespace:
    """Two cameras 1.5 m above the road, one looking along x, one 60 degrees further left; they overlap.

    cam2img, bev2cam, bev2img are (2, 4, 4); image_size is (height, width) = (60, 120), f = 60 px; road2bev is (4, 4).
    """
    cam2img = torch.tensor([[60.0, 0, 60, 0], [0, 60, 20, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    forward = torch.tensor([[0.0, -1, 0, 0], [0, 0, -1, 1.5], [1, 0, 0, 0], [0, 0, 0, 1]])
    angle = torch.tensor(-torch.pi / 3)
    turn = torch.eye(4)
    turn[:2, :2] = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    bev2cam = torch.stack([forward, forward @ turn])
    return SimpleNamespace(
        cam2img=cam2img.expand(2, 4, 4).clone(),
        bev2cam=bev2cam,
        bev2img=cam2img @ bev2cam,
        image_size=(60, 120),
        road2bev=torch.eye(4),
    )
