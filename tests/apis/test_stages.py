"""One command makes all that a config needs: read from the config, resumed, and refused where settings changed."""

import json
import runpy
import shutil
from pathlib import Path

import pytest
from linked_data import linked_data

from ssl_bev.apis.stages import plan_stages
from ssl_bev.datasets.bev_label_files import read_label_manifest
from ssl_bev.engine import load_config

PROJECT = Path(__file__).resolve().parents[2]
CONFIGS = PROJECT / 'configs' / 'synthetic'
SMALL_COMPLETION = f"""
_base_ = '{CONFIGS}/map_completion.py'
train_cfg = dict(max_epochs=1)
model = dict(backbone=dict(base_channels=8), seg_head=dict(in_channels=8, channels=8))
train_dataloader = dict(num_workers=0, dataset=dict(label_fraction=1.0))
test_dataloader = dict(num_workers=0)
"""
SMALL = f"""
_base_ = '{CONFIGS}/bevformer_ssl_completed.py'
preparation = dict(completion='{{{{ fileDirname }}}}/map_completion.py')
"""


@pytest.fixture(scope='module')
def data(synthetic_root, tmp_path_factory):
    """Two scenes, of which one is for training; the oracle's labels pass for the teacher's."""
    folder = linked_data(synthetic_root, tmp_path_factory.mktemp('stages') / 'data')
    (folder / 'map_completion.py').write_text(SMALL_COMPLETION)
    (folder / 'config.py').write_text(SMALL)
    return folder


@pytest.fixture(autouse=True)
def synthetic_folder(data, monkeypatch):
    monkeypatch.setenv('SSL_BEV_SYNTHETIC', str(data))


def prepare(*arguments):
    tool = runpy.run_path(str(PROJECT / 'tools' / 'prepare_targets.py'), run_name='tool')
    tool['main']([str(argument) for argument in (*arguments, '--quiet')])


def planned(data, **changes):
    return {stage.name: stage for stage in plan_stages(load_config(data / 'config.py', changes))}


def test_the_plan_is_read_from_the_config(data):
    stages = planned(data)
    assert list(stages) == ['accumulation', 'registration', 'completion']
    folders = [stage.out.relative_to(data).as_posix() for stage in stages.values()]
    assert folders == ['accumulated', 'bev_labels_registered', 'completed']
    labels = stages['accumulation'].accumulation.labels
    assert labels['classes'] == ['drivable', 'dashed', 'solid', 'stop_line', 'crosswalk']
    assert (labels['label_map'], labels['min_confidence']) == ('mapillary_v2', 0.5)
    assert stages['accumulation'].accumulation.grid.shape == (120, 240)
    assert [len(stage.frames.tokens) for stage in stages.values()] == [3, 3, 3]
    every = planned(data, **{'train_dataloader.dataset.ann_file': [f'ssl_bev_infos_{s}.pkl' for s in ('train', 'val')]})
    assert [len(stage.frames.tokens) for stage in every.values()] == [6, 3, 6]
    changed = planned(data, **{'train_dataloader.dataset.pipeline.2.ego_body': dict(CAM_BACK=0.8)})
    assert changed['accumulation'].accumulation.labels['ego_body'] == dict(CAM_BACK=0.8)
    assert plan_stages(load_config(CONFIGS / 'bevformer_ssl_two_phase.py')) == []


def test_targets_that_are_trained_on_draw_lines_as_reprojection_does(data, tmp_path):
    """Those that a completion reads are areas."""
    assert planned(data)['accumulation'].accumulation.line_width == {}
    (tmp_path / 'config.py').write_text(f"""
_base_ = '{CONFIGS}/bevformer_ssl_pretrain.py'
names = ['drivable', 'marking', 'boundary']
votes = dict(type='LoadAccumulatedTargets', root=f'{{_base_.data_root}}/votes', classes=names)
train_dataloader = _base_.ssl_dataloader
train_dataloader['dataset'].pipeline = [*_base_.images, _base_.pseudo_labels, votes, *_base_.augment_and_pack]
widths = dict(marking=0.75, boundary=0.5)
lines = dict(line_width=widths, edges=dict(boundary='drivable'), inside=dict(marking='drivable'))
model = dict(objectives=dict(reprojection=lines))
preparation = dict(accumulation=dict(edge_margin=0.5))
""")
    (stage,) = plan_stages(load_config(tmp_path / 'config.py'))
    made = stage.accumulation
    assert stage.out == data / 'votes' and made.classes == ('drivable', 'marking', 'boundary')
    assert made.line_width == dict(marking=0.75, boundary=0.5) and made.edge_margin == 0.5
    assert made.inside == dict(marking='drivable')


def test_one_command_makes_all_and_goes_on(data, plain_config_text, capsys):
    prepare(data / 'config.py', '--dry-run')
    plan = [line.split() for line in capsys.readouterr().out.splitlines() if str(data) in line]
    assert [line[0] for line in plan] == ['accumulation', 'registration', 'completion']
    assert all(line[2:] == ['to', 'do:', '3', 'of', '3', 'frames'] for line in plan)
    assert not (data / 'accumulated').exists()

    prepare(data / 'config.py')
    capsys.readouterr()
    config = load_config(data / 'config.py')
    assert len(list((data / 'completed').glob('*.npz'))) == 3
    assert read_label_manifest(data / 'bev_labels_registered')['registration']['label_map'] == 'mapillary_v2'
    sample = first_sample(config)
    assert sample.completed_probability.shape == (5, 120, 240)

    lost = next((data / 'completed').glob('*.npz'))
    lost.unlink()
    checkpoint = data / 'completed_network' / 'epoch_1.pth'
    trained = checkpoint.stat().st_mtime_ns
    prepare(data / 'config.py')
    shown = capsys.readouterr().out.splitlines()
    assert [line.split('  ')[-1] for line in shown if str(data) in line and '.npz' not in line][-4:] == [
        'done, 3 frames', 'done, 3 frames', 'to do: 1 of 3 frames', 'done, 3 frames',
    ]  # fmt: skip
    assert lost.is_file() and checkpoint.stat().st_mtime_ns == trained


def first_sample(config):
    from mmdet3d.registry import DATASETS

    return DATASETS.build(config.train_dataloader.dataset)[0]['data_samples']


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('train_dataloader.dataset.pipeline.1.min_confidence=0.7', r'.*accumulated holds accumulated targets that were '
         r'made with min_confidence 0.5 \(now 0.7\); choose another folder or delete this one'),
        ('preparation.registration.line_width=0.3', r'.*bev_labels_registered holds BEV labels that were made with '
         r"registration .*'line_width': 0.5.* \(now .*'line_width': 0.3"),
        ('preparation.completion={data}/longer.py', r'.*completed_network holds completion networks that were made '
         'with train_cfg'),
        ('preparation.roads.source=lidar', r"preparation has an unknown key 'roads'; did you mean 'road'"),
        ('preparation.accumulation.distance=3', r"preparation.accumulation: .*unexpected keyword argument 'distance'"),
        ('train_dataloader.dataset.roads=roads', r'datasets that share targets must have the same roads, got .*roads'),
        ('preparation.completion=none.py', r'config file none.py does not exist'),
        ('preparation.completion=', r'the config reads completed maps .*, but does not say which network completes'),
    ],
)  # fmt: skip
def test_other_settings_and_faulty_ones_are_named(data, plain_config_text, option, message):
    if not (data / 'completed_network').is_dir():  # the test before makes everything, on the same process
        prepare(data / 'config.py')
    longer = (data / 'map_completion.py').read_text().replace('max_epochs=1', 'max_epochs=2')
    (data / 'longer.py').write_text(longer)
    before = sorted(path for path in data.rglob('*') if path.is_file())
    pipeline = load_config(data / 'config.py').train_dataloader.dataset.pipeline
    (index,) = [i for i, step in enumerate(pipeline) if step['type'] == 'LoadPseudoLabels']
    option = option.format(data=data).replace('pipeline.1.', f'pipeline.{index}.')
    with pytest.raises(SystemExit, match=f'^error: {message}'):
        prepare(data / 'config.py', '--cfg-options', option)
    assert sorted(path for path in data.rglob('*') if path.is_file()) == before


def test_roads_come_first_and_what_follows_lies_on_them(data, tmp_path):
    for path in data.iterdir():
        if path.name.startswith(('ssl_bev_infos', 'samples', 'maps', 'pseudo_labels', 'config', 'map_completion')):
            (tmp_path / path.name).symlink_to(path.resolve())
    changes = {
        'train_dataloader.dataset.roads': 'roads',
        'train_dataloader.dataset.pipeline': [dict(type='LoadAccumulatedTargets', root=str(tmp_path / 'accumulated'))],
        'train_dataloader.dataset.data_root': str(tmp_path),
        'preparation': dict(road=dict(source='poses')),
    }
    config = load_config(CONFIGS / 'bevformer_ssl_pretrain.py')
    labels = next(step for step in config.train_dataloader.dataset.pipeline if step.type == 'LoadPseudoLabels')
    config = load_config(config, changes)
    config.train_dataloader.dataset.pipeline.append(labels)
    silent = load_config(config, dict(preparation=dict()))
    silent.preparation.pop('road')
    with pytest.raises(ValueError, match=r'reads roads from .*roads, which lacks 3 of 3 frames, and does not say what'):
        plan_stages(silent)[0].check()
    road, votes = plan_stages(config)
    assert (road.name, votes.name) == ('road', 'accumulation') and not votes.is_done
    for stage in (road, votes):
        stage.run(show_progress=False)
        stage.check()
    assert votes.is_done
    manifest = json.loads((tmp_path / 'accumulated' / 'manifest.json').read_text())
    assert manifest['roads']['source'] == 'poses' and manifest['classes'] == ['drivable', 'marking', 'crosswalk']
    next((tmp_path / 'roads').glob('*.npz')).unlink()
    assert not road.is_done and not votes.is_done
    shutil.rmtree(tmp_path / 'roads')
    with pytest.raises(FileNotFoundError, match=r'manifest of roads not found: .*make it with tools/estimate_road.py'):
        votes.run(show_progress=False)
