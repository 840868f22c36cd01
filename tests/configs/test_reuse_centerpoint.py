"""mmdet3d's own CenterPoint with our objectives: both configs run as a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from linked_data import linked_data
from mmdet3d.registry import DATASETS, MODELS
from mmdet3d.utils import register_all_modules
from mmengine.config import Config

from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.datasets.label_subsets import write_label_subsets
from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation.create_infos import create_data
from ssl_bev.structures import CameraRig
from ssl_bev.targets import IGNORE

PROJECT = Path(__file__).resolve().parents[2]
CONFIGS = PROJECT / 'configs' / 'reuse'
DETECTION = [f'task{task}.loss_{part}' for task in range(6) for part in ('heatmap', 'bbox')]


@pytest.fixture(scope='module')
def data(synthetic_root, tmp_path_factory):
    """What the first lines of the base config ask for."""
    folder = linked_data(synthetic_root, tmp_path_factory.mktemp('reuse') / 'data')
    grid = BEVGrid((-16.0, 16.0), (-32.0, 32.0), 0.25)
    lidar = dict(grid=grid, bev_frame='lidar', labels_only=True, show_progress=False)
    create_data(synthetic_root, 'v1.0-mini', folder / 'lidar_frame', **lidar)
    frames = read_info_file(folder / 'ssl_bev_infos_train.pkl')['data_list']
    write_label_subsets(folder / 'label_subsets', [frame['scene_token'] for frame in frames], [0.5], [0])
    return folder


def test_labels_and_pseudo_labels_lie_on_each_other(data, monkeypatch):
    """Points that were turned, scaled and mirrored: what cameras see of the road is where its BEV labels are."""
    monkeypatch.setenv('SSL_BEV_SYNTHETIC', str(data))
    config = Config.fromfile(CONFIGS / '_base_' / 'centerpoint_auxiliary.py')
    dataset = config.train_dataloader.dataset
    *augmented, _, pseudo_labels, pack = dataset.pipeline
    dataset.pipeline = [*augmented, config.labelled, dict(type='LoadBEVMasks'), pseudo_labels, pack]
    register_all_modules()
    dataset, head = DATASETS.build(dataset), MODELS.build(config.model.objectives.reprojection)
    np.random.seed(0)  # noqa: NPY002  (what data workers seed)
    for index in range(3):
        sample = dataset[index]['data_samples']
        assert {'R', 'S'} <= set(sample.transformation_3d_flow)
        rig = CameraRig.from_data_samples([sample]).frame(0)
        seen, weight = head.labels_on_ground(
            BEVGrid(**config.grid), rig.bev2img, rig.road2bev, rig.image_size, sample.pseudo_target,
            sample.pseudo_confidence, classes=sample.pseudo_classes,
        )  # fmt: skip
        drivable, truth = seen[0, 0] > 0.5, sample.gt_bev_seg[0]
        known = (weight[0, 0] > 0) & (truth != IGNORE)
        both, either = (drivable & (truth == 1))[known].sum(), (drivable | (truth == 1))[known].sum()
        assert known.float().mean() > 0.4 and both / either > 0.93


def train(name, data, folder, **options):
    """The log as text and its records, of epochs that are three frames long."""
    environment = {**os.environ, 'SSL_BEV_SYNTHETIC': str(data), 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(PROJECT)}
    environment['PATH'] = f'{Path(sys.executable).parent}:{environment["PATH"]}'
    # Losses of each step alone, not a mean over those before.
    options |= {'default_hooks.logger.interval': 1, 'log_processor.window_size': 1}
    command = ['mim', 'train', 'mmdet3d', CONFIGS / f'{name}.py', '--work-dir', folder / 'run', '--cfg-options']
    command += [f'{key}={value}' for key, value in options.items()]
    done = subprocess.run([str(c) for c in command], cwd=folder, env=environment, capture_output=True, text=True)
    log = done.stdout + done.stderr
    assert done.returncode == 0, log[-3000:]
    scalars = next((folder / 'run').glob('*/vis_data/scalars.json')).read_text().splitlines()
    return log, [json.loads(line) for line in scalars]


def check(record, *weighed):
    """All losses are there; the detector's count, and of ours those that have a weight."""
    assert sum(record[name] for name in DETECTION) > 0
    ours = {name: record[f'loss_{name}'] for name in ('seg', 'reprojection')}
    assert {name for name, value in ours.items() if value > 0} == set(weighed)
    assert record['loss'] == pytest.approx(sum(record[name] for name in DETECTION) + sum(ours.values()), rel=1e-3)


@pytest.mark.long
def test_pretraining_gives_boxes_and_coarse_maps(data, tmp_path):
    options = {'train_cfg.max_epochs': 1, 'train_cfg.val_interval': 1, 'custom_hooks.2.phases.0.epochs': 1}
    _, records = train('centerpoint_auxiliary_ssl_pretrain', data, tmp_path, **options)
    steps = [record for record in records if 'lr' in record]
    assert len(steps) == 3
    check(steps[0], 'reprojection')
    metrics = records[-1]
    assert 0 <= metrics['bev/IoU_drivable'] <= 1 and 'bev/IoU_crosswalk' in metrics
    assert 0 <= metrics['NuScenes metric/pred_instances_3d_NuScenes/mAP'] <= 1


@pytest.mark.slow
def test_both_phases_in_one_run(data, tmp_path):
    options = {f'custom_hooks.2.phases.{phase}.epochs': 1 for phase in range(2)} | {'train_cfg.max_epochs': 2}
    options |= dict.fromkeys(('val_cfg', 'val_dataloader', 'val_evaluator'))
    log, records = train('centerpoint_auxiliary_ssl_two_phase', data, tmp_path, **options)
    assert "Phase 1/2 'pretrain': epochs 1 to 1, losses reprojection 1" in log
    assert "Phase 2/2 'finetune': epochs 2 to 2, losses seg 1" in log and 'class layer from the coarse classes' in log
    assert [record['epoch'] for record in records] == [1, 1, 1, 2, 2, 2]
    for record in records:
        check(record, 'reprojection' if record['epoch'] == 1 else 'seg')


@pytest.mark.parametrize('path', sorted(CONFIGS.glob('*.py')), ids=lambda path: path.stem)
def test_a_leaf_is_a_difference(path):
    assert len(path.read_text().splitlines()) <= 30
