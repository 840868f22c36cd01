"""The shipped configs: differences of a few lines, each of which builds and trains."""

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from linked_data import linked_data
from mmdet3d.registry import DATASETS, MODELS
from mmdet3d.utils import register_all_modules
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from reduced_configs import reduced

from ssl_bev.datasets import LoadAccumulatedTargets
from ssl_bev.datasets.accumulated_target_files import start_folder, write_target
from ssl_bev.datasets.bev_label_files import read_label_manifest
from ssl_bev.preparation.accumulate_dataset import Accumulation, accumulate_dataset

PROJECT = Path(__file__).resolve().parents[2]
CONFIGS = PROJECT / 'configs'
TEACHERS_CLASSES = ('drivable', 'marking', 'dashed', 'solid', 'stop_line', 'crosswalk')
COMPLETION = [
    pytest.param(CONFIGS / 'map_completion.py', marks=pytest.mark.long),
    CONFIGS / 'synthetic' / 'map_completion.py',
]
LEAVES = sorted([*CONFIGS.glob('bevformer_*.py'), *CONFIGS.glob('synthetic/bevformer_*.py')])
# With a teacher that tells paint apart; toy runs of projects/LabelEfficiency train its other recipes.
LEAVES += [PROJECT / 'projects/LabelEfficiency/configs/paper.py']
RECIPES = {
    'bevformer_supervised',
    *(f'bevformer_ssl_{name}' for name in ('pretrain', 'finetune', 'two_phase', 'accumulated', 'completed')),
}


@pytest.fixture(scope='module')
def data(synthetic_root, tmp_path_factory):
    """The synthetic images beside their info files and labels, as the configs expect them in one folder."""
    folder = linked_data(synthetic_root, tmp_path_factory.mktemp('configs') / 'data')
    votes = Accumulation(dict(root=str(synthetic_root / 'oracle'), label_map='mapillary_v2', classes=TEACHERS_CLASSES))
    accumulate_dataset([folder / 'ssl_bev_infos_train.pkl'], folder / 'accumulated', votes, show_progress=False)
    names = ['drivable', 'marking', 'crosswalk']
    votes = Accumulation(
        {**votes.labels, 'classes': names}, line_width=dict(marking=0.5), inside=dict(marking='drivable')
    )
    accumulate_dataset([folder / 'ssl_bev_infos_train.pkl'], folder / 'votes', votes, show_progress=False)
    (folder / 'bev_labels_registered').symlink_to('bev_labels')
    labels = read_label_manifest(folder / 'bev_labels')
    completed = dict(asdict(labels['grid']), classes=labels['classes'], bev_frame=labels['bev_frame'])
    start_folder(folder / 'completed', completed)
    for file in (folder / 'accumulated').glob('*.npz'):
        maps = np.full((2, len(labels['classes']), *labels['grid'].shape), 0.25)
        write_target(folder / 'completed', file.stem, *maps)
    return folder


@pytest.mark.slow
def test_a_dumped_config_keeps_the_order_of_the_classes(tmp_path):
    """mmengine sorts mappings by name as it dumps them; the weights know no names."""
    for path in [*CONFIGS.glob('bevformer_*.py'), *CONFIGS.glob('protocols/*.py')]:
        config = Config.fromfile(path)
        config.dump(tmp_path / 'dumped.py')
        before, after = (cfg.model.seg_head.coarse_classes for cfg in (config, Config.fromfile(tmp_path / 'dumped.py')))
        assert list(dict(before)) == list(dict(after))
        assert dict(before)['crosswalk'] == dict(after)['crosswalk']


def test_the_same_configs_at_both_scales():
    for folder in (CONFIGS, CONFIGS / 'synthetic'):
        names = {path.stem for path in folder.glob('*.py') if not path.stem.startswith('_')}
        assert names == {*RECIPES, 'map_completion'}


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: f'{path.parent.name}/{path.stem}')
def test_a_leaf_is_a_difference_that_trains_a_step(path, data):
    assert len(path.read_text().splitlines()) <= 30
    config = reduced(path, data)
    register_all_modules()
    model = MODELS.build(config.model)
    model.init_weights()
    hooks = [hook for hook in config.custom_hooks if hook.type == 'TwoPhaseHook']
    phases = hooks[0].phases if hooks else [dict(losses=config.model.loss_weights)]
    for phase in phases:
        dataset = DATASETS.build(config[phase.get('train_dataloader', 'train_dataloader')].dataset)
        model.set_loss_weights(phase['losses'])
        batch = model.data_preprocessor(pseudo_collate([dataset[0], dataset[len(dataset) - 1]]), training=True)
        losses = model(**batch, mode='loss')
        sum(losses.values()).backward()
        assert {name for name, value in losses.items() if value > 0} == {f'loss_{name}' for name in phase['losses']}
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_fine_tuning_that_does_not_forget_is_a_config(data, tmp_path):
    """That of docs/reuse.md: lower rates for what is pretrained, and self-supervision goes on beside the labels."""
    page = (PROJECT / 'docs' / 'reuse.md').read_text()
    (block,) = (part for part in re.findall(r'```python\n(.*?)```', page, re.DOTALL) if 'finetune.update' in part)
    path = tmp_path / 'gentle.py'
    path.write_text(block.replace("'./", f"'{CONFIGS}/synthetic/"))
    config = reduced(path, data)
    register_all_modules()
    model = MODELS.build(config.model)
    pretrain, finetune = config.custom_hooks[-1].phases
    assert 'optim_wrapper' not in pretrain and set(pretrain.losses) == {'reprojection', 'temporal', 'perspective'}

    groups = build_optim_wrapper(model, finetune.optim_wrapper).optimizer.param_groups
    rate = {id(p): group['lr'] / finetune.optim_wrapper.optimizer.lr for group in groups for p in group['params']}
    rates = {name: round(rate[id(p)], 3) for name, p in model.named_parameters() if p.requires_grad}
    for part, expected in (
        ('img_backbone.layer1', 0.1), ('img_backbone.layer3', 0.2), ('img_neck', 0.3), ('bev_encoder', 0.5),
        ('seg_head', 1.0),
    ):  # fmt: skip
        assert {value for name, value in rates.items() if name.startswith(part)} == {expected}, part

    dataset = DATASETS.build(config.labelled_dataloader.dataset)
    model.set_loss_weights(finetune.losses)
    losses = model(**model.data_preprocessor(pseudo_collate([dataset[0]]), training=True), mode='loss')
    sum(losses.values()).backward()
    assert {name for name, value in losses.items() if value > 0} == {f'loss_{name}' for name in finetune.losses}
    for layer in (model.seg_head.fine, model.seg_head.coarse):
        assert (layer.bias.grad != 0).any()


@pytest.mark.slow
@pytest.mark.parametrize('path', COMPLETION, ids=lambda path: path.parent.name)
def test_maps_are_completed_from_a_step_of_training_on(path, data, tmp_path):
    assert len(path.read_text().splitlines()) <= 30
    trained = run(
        sys.executable, PROJECT / 'tools' / 'train.py', path, '--work-dir', tmp_path / 'run', '--cfg-options',
        'train_cfg.max_epochs=1', 'train_dataloader.batch_size=1', 'default_hooks.logger.interval=1',
        cwd=tmp_path, data=data,
    )  # fmt: skip
    assert trained.returncode == 0, (trained.stdout + trained.stderr)[-3000:]
    assert 'loss_seg' in trained.stdout + trained.stderr
    completed = run(
        sys.executable, PROJECT / 'tools' / 'complete_maps.py', path, tmp_path / 'run' / 'epoch_1.pth',
        '--out', tmp_path / 'completed', cwd=tmp_path, data=data,
    )  # fmt: skip
    assert completed.returncode == 0, completed.stderr[-3000:]
    frames = {file.stem for file in (data / 'accumulated').glob('*.npz')}
    assert {file.stem for file in (tmp_path / 'completed').glob('*.npz')} == frames
    LoadAccumulatedTargets(tmp_path / 'completed', kind='completed')


def run(*command, cwd, data):
    environment = {**os.environ, 'SSL_BEV_SYNTHETIC': str(data), 'SSL_BEV_NUSCENES': str(data), 'OMP_NUM_THREADS': '1'}
    environment['PATH'] = f'{Path(sys.executable).parent}:{environment["PATH"]}'
    environment.pop('PYTHONPATH', None)
    return subprocess.run([str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True)


SMALL = [
    'model.bev_encoder.bev_shape=(15,30)',
    'model.seg_head.num_upsamples=3',
    'model.img_backbone.base_channels=8',
    'model.img_backbone.stem_channels=8',
    'model.img_backbone.init_cfg=None',
    'model.img_neck.in_channels=[8,16,32]',
]


@pytest.mark.slow
def test_both_phases_by_mim_from_another_directory_then_evaluation(data, tmp_path):
    """What a user types, on two scenes: train both phases in one run, then test the checkpoint."""
    config = CONFIGS / 'synthetic' / 'bevformer_ssl_two_phase.py'
    trained = run(
        'mim', 'train', 'mmdet3d', config, '--work-dir', tmp_path / 'run', '--cfg-options', *SMALL,
        cwd=tmp_path, data=data,
    )  # fmt: skip
    log = trained.stdout + trained.stderr
    assert trained.returncode == 0, log[-3000:]
    assert "phase 'finetune'" in log or 'finetune' in log
    checkpoint = tmp_path / 'run' / f'epoch_{Config.fromfile(config).train_cfg.max_epochs}.pth'
    assert checkpoint.is_file()
    scalars = next((tmp_path / 'run').glob('*/vis_data/scalars.json')).read_text().splitlines()
    records = [json.loads(line) for line in scalars]
    assert any('bev/mIoU' in record for record in records)

    tested = run(
        sys.executable, PROJECT / 'tools' / 'test.py', config, checkpoint, '--work-dir', tmp_path / 'test',
        '--out', tmp_path / 'metrics.json', '--cfg-options', *SMALL, cwd=tmp_path, data=data,
    )  # fmt: skip
    assert tested.returncode == 0, (tested.stdout + tested.stderr)[-3000:]
    assert 0 <= json.loads((tmp_path / 'metrics.json').read_text())['bev/IoU_drivable_area'] <= 1


@pytest.mark.slow
def test_a_missing_dataset_is_named(tmp_path):
    failed = run(
        sys.executable, PROJECT / 'tools' / 'train.py', CONFIGS / 'synthetic' / 'bevformer_supervised.py',
        '--work-dir', tmp_path / 'run', cwd=tmp_path, data=tmp_path / 'nowhere',
    )  # fmt: skip
    assert failed.returncode != 0
    assert 'nowhere' in failed.stderr and 'tools/create_data.py' in failed.stderr
    assert not list(tmp_path.rglob('*.pth'))


def test_predictions_of_a_config_are_probabilities(data):
    config = reduced(CONFIGS / 'synthetic' / 'bevformer_supervised.py', data)
    register_all_modules()
    pipeline = config.test_dataloader.dataset.pipeline
    pipeline[1].size = (64, 160)
    model = MODELS.build(config.model).eval()
    batch = model.data_preprocessor(pseudo_collate([DATASETS.build(config.test_dataloader.dataset)[0]]))
    with torch.no_grad():
        sample = model(**batch, mode='predict')[0]
    assert sample.pred_bev_seg.shape == sample.gt_bev_seg.shape == (5, 120, 240)
    assert sample.pred_bev_seg.min() >= 0 and sample.pred_bev_seg.max() <= 1
