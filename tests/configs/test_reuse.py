"""Other encoders under BEVFormer's recipe: each config differs by its encoder, and trains as a user would train it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmdet3d.registry import DATASETS, MODELS
from mmdet3d.utils import register_all_modules
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from ssl_bev.preparation.create_infos import create_data

PROJECT = Path(__file__).resolve().parents[2]
CONFIGS = PROJECT / 'configs'
EXAMPLE = PROJECT / 'examples' / 'own_encoder'
CAMERAS, LIDAR = ('lift_splat', 'simple_bev'), 'lidar_pillars'
RECIPES = ('ssl_pretrain', 'ssl_two_phase')
LEAVES = [CONFIGS / 'reuse' / f'{name}_{recipe}.py' for name in (*CAMERAS, LIDAR) for recipe in RECIPES]
# Two steps of each phase at most, and a step's own losses in the log.
SHORT = [
    'custom_hooks.3.phases.0.epochs=1',
    'custom_hooks.3.phases.1.epochs=1',
    'train_cfg.max_epochs=2',
    'train_cfg.val_interval=2',
    'train_dataloader.dataset.sample_interval=2',
    'default_hooks.logger.interval=1',
    'log_processor.window_size=1',
]


def link(root, folder, *leave_out):
    folder.mkdir()
    for part in root.iterdir():
        if part.name not in leave_out:
            (folder / part.name).symlink_to(part)
    return folder


@pytest.fixture(scope='module')
def data(synthetic_root, tmp_path_factory):
    """The synthetic world beside info files and labels, as the configs expect them in one folder."""
    folder = link(synthetic_root, tmp_path_factory.mktemp('reuse') / 'data')
    (folder / 'pseudo_labels').symlink_to(synthetic_root / 'oracle')
    create_data(synthetic_root, 'v1.0-mini', folder, show_progress=False)
    return folder


@pytest.fixture(scope='module')
def data_without_images(data, tmp_path_factory):
    folder = link(data, tmp_path_factory.mktemp('reuse_lidar') / 'data', 'samples', 'sweeps')
    (folder / 'samples').mkdir()
    (folder / 'samples' / 'LIDAR_TOP').symlink_to(data / 'samples' / 'LIDAR_TOP')
    return folder


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_a_leaf_is_the_recipe_with_another_encoder(path):
    assert len(path.read_text().splitlines()) <= 30
    name, recipe = path.stem.split('_ssl_')
    leaf = Config.fromfile(path).to_dict()
    plain = Config.fromfile(CONFIGS / 'synthetic' / f'bevformer_ssl_{recipe}.py').to_dict()
    assert leaf['model'].pop('bev_encoder')['type'] != plain['model'].pop('bev_encoder')['type']
    leaf.pop('custom_imports'), plain.pop('custom_imports')
    if name != LIDAR:
        assert leaf == plain
        return
    assert leaf['model']['img_backbone'] is leaf['model']['img_neck'] is None
    assert leaf['model']['objectives'].items() <= plain['model']['objectives'].items()
    assert leaf['custom_hooks'][-1]['phases'][0]['losses'] == dict(reprojection=1.0, temporal=0.5)
    assert leaf['custom_hooks'][-1]['phases'][1:] == plain['custom_hooks'][-1]['phases'][1:]
    for loader in ('train', 'labelled', 'val', 'test'):
        first, second, _, last = (step['type'] for step in leaf[f'{loader}_dataloader']['dataset']['pipeline'])
        assert (first, second, last) == ('LoadCalibration', 'LoadBEVPoints', 'PackBEVInputs')


@pytest.mark.parametrize('path', LEAVES[::2], ids=lambda path: path.stem)
def test_pretraining_takes_a_step_that_helps(path, data, monkeypatch):
    monkeypatch.setenv('SSL_BEV_SYNTHETIC', str(data))
    config = Config.fromfile(path)
    if config.model.img_backbone:
        config.model.img_backbone.init_cfg = None
    register_all_modules()
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    model.set_loss_weights(config.custom_hooks[-1].phases[0].losses)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    batch = model.train().data_preprocessor(pseudo_collate([dataset[1]]), training=True)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    totals = []
    for _ in range(2):
        losses = model(**batch, mode='loss')
        totals.append(sum(losses.values()))
        optimizer.zero_grad()
        totals[-1].backward()
        optimizer.step()
    assert totals[1] < totals[0]
    assert losses['loss_reprojection'] > 0 and losses['loss_seg'] == 0
    with torch.no_grad():
        sample = model.eval().test_step(pseudo_collate([DATASETS.build(config.test_dataloader.dataset)[0]]))[0]
    assert sample.pred_bev_seg.shape == (3, 120, 240)  # the coarse classes


def train(config, data, work_dir, cwd):
    """`mim train`, and the scalars that it logged."""
    environment = {**os.environ, 'SSL_BEV_SYNTHETIC': str(data), 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(PROJECT)}
    environment['PATH'] = f'{Path(sys.executable).parent}:{environment["PATH"]}'
    command = ['mim', 'train', 'mmdet3d', str(config), '--work-dir', str(work_dir), '--cfg-options', *SHORT]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    scalars = next(work_dir.glob('*/vis_data/scalars.json')).read_text().splitlines()
    return [json.loads(line) for line in scalars]


def check_both_phases(records, *pretraining):
    first, *_ = (record for record in records if record.get('epoch') == 1)
    *_, last = (record for record in records if record.get('epoch') == 2)
    assert {key for key, value in first.items() if key.startswith('loss_') and value > 0} == set(pretraining)
    assert {key for key, value in last.items() if key.startswith('loss_') and value > 0} == {'loss_seg'}
    assert any('bev/mIoU' in record for record in records)


@pytest.mark.parametrize('name', CAMERAS)
def test_cameras_train_by_mim(name, data, tmp_path):
    records = train(CONFIGS / 'reuse' / f'{name}_ssl_two_phase.py', data, tmp_path / 'run', tmp_path)
    check_both_phases(records, 'loss_reprojection', 'loss_temporal', 'loss_perspective')


def test_a_lidar_trains_by_mim_from_pseudo_labels_of_cameras_whose_images_are_not_there(data_without_images, tmp_path):
    config = CONFIGS / 'reuse' / f'{LIDAR}_ssl_two_phase.py'
    records = train(config, data_without_images, tmp_path / 'run', tmp_path)
    check_both_phases(records, 'loss_reprojection', 'loss_temporal')


def test_an_encoder_of_ones_own_trains_from_the_root_of_the_project(data, tmp_path):
    assert len((EXAMPLE / 'encoder.py').read_text().splitlines()) <= 30
    records = train('examples/own_encoder/config.py', data, tmp_path / 'run', PROJECT)
    check_both_phases(records, 'loss_reprojection', 'loss_temporal', 'loss_perspective')
