"""Targets in the place of predictions, on the hand-made data set."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

import ssl_bev.components  # noqa: F401, registers them
from ssl_bev.apis.evaluate_targets import evaluate_targets
from ssl_bev.datasets.accumulated_target_files import start_folder, write_target
from ssl_bev.datasets.bev_label_files import read_label, read_label_manifest
from ssl_bev.datasets.info_files import read_info_file

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ['drivable_area', 'lane_divider']


@pytest.fixture
def config(tiny_data, tiny_root) -> Config:
    pipeline = [dict(type=name) for name in ('LoadBEVImages', 'LoadBEVMasks', 'PackBEVInputs')]
    data = dict(type='BEVDataset', ann_file='ssl_bev_infos_val.pkl', data_root=str(tiny_root), info_root=str(tiny_data))
    loader = dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(data, pipeline=pipeline, test_mode=True),
    )
    return Config(
        dict(
            custom_imports=dict(imports=['ssl_bev.components']),
            default_scope='mmdet3d',
            test_dataloader=loader,
            test_evaluator=dict(type='BEVIoUMetric', classes=CLASSES),
        )
    )


def write_truth(data: Path, out: Path, weight: float = 1.0, **grid: object) -> Path:
    """The BEV labels as targets; every other row is observed where the weight is 0."""
    manifest = read_label_manifest(data / 'bev_labels')
    names = manifest['classes']
    chosen = [names.index(name) for name in CLASSES]
    own = {key: manifest[key] for key in ('x_range', 'y_range', 'cell_size', 'bev_frame')}
    start_folder(out, dict(own, classes=CLASSES) | grid)
    for frame in read_info_file(data / 'ssl_bev_infos_val.pkl')['data_list']:
        masks = read_label(data / 'bev_labels', frame['token'], manifest)[chosen].astype(np.float32)
        observed = np.ones_like(masks)
        observed[:, ::2] = weight
        write_target(out, frame['token'], masks, observed)
    return out


def test_the_truth_is_perfect_and_what_is_not_observed_is_not_there(config, tiny_data, tmp_path) -> None:
    metrics = evaluate_targets(config, write_truth(tiny_data, tmp_path / 'all'))
    assert metrics['bev/IoU_drivable_area'] == metrics['bev/IoU_lane_divider'] == 1
    metrics = evaluate_targets(config, write_truth(tiny_data, tmp_path / 'half', weight=0))
    assert metrics['bev/IoU_drivable_area'] == pytest.approx(0.5, abs=0.02)


def test_another_grid_is_refused(config, tiny_data, tmp_path) -> None:
    targets = write_truth(tiny_data, tmp_path / 'targets', x_range=[-31.0, 29.0])
    with pytest.raises(ValueError, match=r'lie on .*-31.*the BEV labels on .*--cell-size of the labels'):
        evaluate_targets(config, targets)


def test_the_tool_writes_metrics_and_names_what_is_missing(config, tiny_data, tmp_path) -> None:
    main = runpy.run_path(str(ROOT / 'tools' / 'evaluate_targets.py'))['main']
    config.dump(tmp_path / 'config.py')
    targets, out = write_truth(tiny_data, tmp_path / 'targets'), tmp_path / 'metrics.json'
    main([str(tmp_path / 'config.py'), str(targets), '--out', str(out)])
    assert json.loads(out.read_text())['bev/mIoU'] == 1
    with pytest.raises(SystemExit, match='error: manifest of accumulated targets not found'):
        main([str(tmp_path / 'config.py'), str(tmp_path / 'none')])
