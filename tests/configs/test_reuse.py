"""Other encoders under BEVFormer's recipe: each config differs by its encoder, and trains as a user would train it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from linked_data import link, linked_data
from mmengine.config import Config

PROJECT = Path(__file__).resolve().parents[2]
CONFIGS = PROJECT / 'configs'
EXAMPLE = PROJECT / 'examples' / 'own_encoder'
CAMERAS, LIDAR = ('lift_splat', 'simple_bev'), 'lidar_pillars'
RECIPES = ('ssl_pretrain', 'ssl_two_phase')
LEAVES = [CONFIGS / 'reuse' / f'{name}_{recipe}.py' for name in (*CAMERAS, LIDAR) for recipe in RECIPES]
# Two steps of each phase at most, and a step's own losses in the log.
SHORT = [
    'custom_hooks.4.phases.0.epochs=1',
    'train_dataloader.dataset.sample_interval=2',
    'default_hooks.logger.interval=1',
    'log_processor.window_size=1',
]
ONE_PHASE = [*SHORT, 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
TWO_PHASES = [*SHORT, 'custom_hooks.4.phases.1.epochs=1', 'train_cfg.max_epochs=2', 'train_cfg.val_interval=2']


@pytest.fixture(scope='module')
def data(synthetic_root, tmp_path_factory):
    """The synthetic world beside info files and labels, as the configs expect them in one folder."""
    return linked_data(synthetic_root, tmp_path_factory.mktemp('reuse') / 'data')


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


def start(config, data, work_dir, cwd, options):
    environment = {**os.environ, 'SSL_BEV_SYNTHETIC': str(data), 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(PROJECT)}
    environment['PATH'] = f'{Path(sys.executable).parent}:{environment["PATH"]}'
    command = ['mim', 'train', 'mmdet3d', str(config), '--work-dir', str(work_dir), '--cfg-options', *options]
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return subprocess.Popen(command, cwd=cwd, env=environment, **pipes)


def scalars_of(training, work_dir):
    """What a training logged, once it is done."""
    log, _ = training.communicate()
    assert training.returncode == 0, log[-3000:]
    lines = next(work_dir.glob('*/vis_data/scalars.json')).read_text().splitlines()
    return [json.loads(line) for line in lines]


def trained_by(record):
    return {key for key, value in record.items() if key.startswith('loss_') and value > 0}


def check_two_phases(records, pretraining):
    first, *_ = (record for record in records if record.get('epoch') == 1)
    *_, last = (record for record in records if record.get('epoch') == 2)
    assert trained_by(first) == pretraining and trained_by(last) == {'loss_seg'}
    assert any('bev/IoU_lane_divider' in record for record in records)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['simple_bev', LIDAR, pytest.param('lift_splat', marks=pytest.mark.long)])
def test_both_recipes_train_by_mim(name, data, data_without_images, tmp_path):
    """Side by side. The lidar learns from pseudo-labels of cameras whose images are not there."""
    folder = data_without_images if name == LIDAR else data
    runs = dict(zip(RECIPES, (ONE_PHASE, TWO_PHASES), strict=True))
    trainings = [
        start(CONFIGS / 'reuse' / f'{name}_{recipe}.py', folder, tmp_path / recipe, tmp_path, options)
        for recipe, options in runs.items()
    ]
    pretrained, both = (scalars_of(run, tmp_path / recipe) for run, recipe in zip(trainings, RECIPES, strict=True))
    losses = {'loss_reprojection', 'loss_temporal'} | ({'loss_perspective'} if name != LIDAR else set())
    assert trained_by(pretrained[0]) == losses
    assert any('bev/IoU_marking' in record for record in pretrained)
    check_two_phases(both, losses)


@pytest.mark.slow
def test_an_encoder_of_ones_own_trains_from_the_root_of_the_project(data, tmp_path):
    assert len((EXAMPLE / 'encoder.py').read_text().splitlines()) <= 30
    training = start('examples/own_encoder/config.py', data, tmp_path / 'run', PROJECT, TWO_PHASES)
    losses = {'loss_reprojection', 'loss_temporal', 'loss_perspective'}
    check_two_phases(scalars_of(training, tmp_path / 'run'), losses)
