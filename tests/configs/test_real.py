"""The configs of real images; what they stand on may not be redistributed, so they are skipped without it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get('SSL_BEV_SHARED', PROJECT.parent / 'shared')).resolve()
PART, PANDASET = SHARED / 'real' / 'nuscenes_mini_part', SHARED / 'real' / 'pandaset_002'


def run(*command, cwd, **environment):
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'SSL_BEV_SHARED': str(SHARED), **environment}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope='module')
def nuscenes_part(tmp_path_factory) -> str:
    """Infos and labels elsewhere than the images, as the configs' first lines say."""
    if not PART.is_dir():
        pytest.skip(f'no real nuScenes keyframes at {PART} (SSL_BEV_SHARED)')
    made = tmp_path_factory.mktemp('part')
    tool = PROJECT / 'tools/create_data.py'
    run(
        sys.executable, tool, '--data-root', PART, '--version', 'v1.0-mini', '--max-sweeps', '0', '--out', made,
        cwd=made,
    )  # fmt: skip
    return str(made)


def train(name, folder, *options, **environment):
    config = PROJECT / 'configs/real' / name
    command = (sys.executable, PROJECT / 'tools/train.py', config, '--work-dir', 'run', '--cfg-options')
    return run(*command, 'default_hooks.logger.interval=1', *options, cwd=folder, **environment)


@pytest.mark.slow
def test_a_step_on_real_keyframes_and_their_evaluation(nuscenes_part, tmp_path):
    """Training on pseudo-labels, with the vector map of scenes that were held apart as the truth."""
    log = train(
        'nuscenes_part_ssl.py', tmp_path, 'train_dataloader.dataset.times=1', 'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1', 'custom_hooks.4.phases.0.epochs=1',
        SSL_BEV_NUSCENES_PART=nuscenes_part, SSL_BEV_HELD_APART='yes',
    )  # fmt: skip
    assert 'Epoch(train) [1][6/6]' in log and 'Epoch(val) [1][3/3]' in log
    assert 'bev/IoU_drivable' in log and 'bev/IoU_marking' in log


@pytest.mark.slow
def test_both_phases_on_real_keyframes(nuscenes_part, tmp_path):
    """All frames without BEV labels, then the labels of half of the scenes, evaluated on the other half."""
    once = ('train_dataloader.dataset.times=1', 'labelled_dataloader.dataset.times=1')
    shorter = (
        'train_cfg.max_epochs=2', 'train_cfg.val_interval=2', 'custom_hooks.4.phases.0.epochs=1'
    )  # fmt: skip
    log = train('nuscenes_part_two_phase.py', tmp_path, *once, *shorter, SSL_BEV_NUSCENES_PART=nuscenes_part)
    assert 'Epoch(train) [1][9/9]' in log and 'Epoch(train) [2][6/6]' in log and 'Epoch(val) [2][3/3]' in log
    assert 'bev/IoU_lane_divider' in log and 'coarse/IoU_marking' in log


@pytest.mark.slow
@pytest.mark.skipif(not PANDASET.is_dir(), reason=f'no part of PandaSet at {PANDASET} (SSL_BEV_SHARED)')
def test_a_step_on_pandaset_and_its_evaluation(tmp_path):
    """Drives files, infos and truth as the config's first lines say; trained on half of the drive."""
    drives, root = tmp_path / 'made' / 'drives.jsonl', ('--data-root', PANDASET)
    converter = PROJECT / 'tools/dataset_converters/pandaset.py'
    run(sys.executable, converter, *root, '--out', drives.parent, '--parts', '2', cwd=tmp_path)
    area = ('--x-range', '-30.4', '30.4', '--y-range', '-15.2', '15.2', '--cell-size', '0.2')
    create = (sys.executable, PROJECT / 'tools/create_data.py', *root, '--drives', drives, '--out', drives.parent)
    run(*create, *area, '--every', '10', '--max-sweeps', '0', cwd=tmp_path)  # two keyframes a half
    log = train(
        'pandaset_ssl_neighbours.py', tmp_path, 'train_dataloader.dataset.times=1', SSL_BEV_PANDASET=str(drives.parent),
        SSL_BEV_PANDASET_PART='pandaset-002-1',
    )  # fmt: skip
    assert 'Epoch(train) [2][2/2]' in log and 'Epoch(val) [2][4/4]' in log
    assert 'bev/IoU_marking_0-20m' in log and 'within_0.2m/IoU_marking_0-20m' in log
