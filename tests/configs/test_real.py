"""The configs of real images; what they stand on may not be redistributed, so they are skipped without it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get('SSL_BEV_SHARED', PROJECT.parent / 'shared')).resolve()
PART = SHARED / 'real' / 'nuscenes_mini_part'


def run(*command, cwd, **environment):
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'SSL_BEV_SHARED': str(SHARED), **environment}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


@pytest.mark.skipif(not PART.is_dir(), reason=f'no real nuScenes keyframes at {PART} (SSL_BEV_SHARED)')
def test_a_step_on_real_keyframes_and_their_evaluation(tmp_path):
    """As the config's first lines say: infos and labels elsewhere, then training and the vector map as the truth."""
    made = tmp_path / 'made'
    run(
        sys.executable, PROJECT / 'tools/create_data.py', '--root', PART, '--version', 'v1.0-mini', '--max-sweeps', '0',
        '--out', made, cwd=tmp_path,
    )  # fmt: skip
    log = run(
        sys.executable, PROJECT / 'tools/train.py', PROJECT / 'configs/real/nuscenes_part_ssl.py', '--work-dir', 'run',
        '--cfg-options', 'train_dataloader.dataset.times=1', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1',
        'custom_hooks.3.phases.0.epochs=1', 'default_hooks.logger.interval=1',
        cwd=tmp_path, SSL_BEV_NUSCENES_PART=str(made),
    )  # fmt: skip
    assert 'Epoch(train) [1][9/9]' in log
    assert 'bev/IoU_drivable' in log and 'bev/IoU_marking' in log
