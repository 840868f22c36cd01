"""The folder of roads: made, continued, refused."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ssl_bev.datasets.calibration import frame_road
from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.datasets.road_files import RoadReader
from ssl_bev.geometry import BEVGrid, lift_to_road
from ssl_bev.preparation.estimate_roads import RoadEstimation, estimate_roads, estimate_scene
from ssl_bev.pseudo_labels import PseudoLabelWriter
from tools.estimate_road import doubts

GRID = BEVGrid((-30, 30), (-20, 20), 2.0)


@pytest.fixture
def infos(tiny_data):
    return [tiny_data / f'ssl_bev_infos_{split}.pkl' for split in ('train', 'val')]


@pytest.fixture(scope='module')
def lidar_root(tiny_data, tmp_path_factory):
    """Lidar files whose ground rises by 3 % ahead and by 1 % to the left of every frame."""
    root = tmp_path_factory.mktemp('lidar')
    generator = np.random.default_rng(0)
    for split in ('train', 'val'):
        for frame in read_info_file(tiny_data / f'ssl_bev_infos_{split}.pkl')['data_list']:
            xy = generator.uniform(-35, 35, (6000, 2))
            ego = np.c_[xy, 0.03 * xy[:, 0] + 0.01 * xy[:, 1], np.ones(len(xy))]
            points = np.zeros((len(xy), 5), np.float32)
            points[:, :3] = (ego @ np.linalg.inv(frame['lidar_points']['lidar2ego']).T)[:, :3]
            path = root / frame['lidar_points']['lidar_path']
            path.parent.mkdir(parents=True, exist_ok=True)
            points.tofile(path)
    return root


@pytest.mark.parametrize('planes_only', [False, True])
def test_lidar_gives_plane_and_heights(infos, lidar_root, tmp_path, planes_only):
    estimation = RoadEstimation('lidar', str(lidar_root), grid=GRID, planes_only=planes_only)
    reports = estimate_roads(infos[:1], tmp_path / 'roads', estimation, show_progress=False)
    assert set(reports) == {'scene-0061', 'scene-0553'}
    report = reports['scene-0061']
    assert report['pitch_degrees'] == pytest.approx([1.72, 1.72], abs=0.03)
    assert report['roll_degrees'] == pytest.approx([0.57, 0.57], abs=0.03)
    assert report['frames'] == 3 and report['seen'] > 0.8 and report['height_ahead'] == pytest.approx(0.9, abs=0.03)
    frame = RoadReader(tmp_path / 'roads')(read_info_file(infos[0])['data_list'][0])
    road = frame_road(frame, 'ego')
    assert road.is_plane == planes_only
    xy = torch.tensor([[20.0, 5], [-10, -8], [0, 0]]).double()
    np.testing.assert_allclose(lift_to_road(xy, road)[:, 2], 0.03 * xy[:, 0] + 0.01 * xy[:, 1], atol=0.02)


def test_a_lidar_of_positions_alone(infos, tmp_path):
    frame = read_info_file(infos[0])['data_list'][0]
    xy = np.random.default_rng(0).uniform(-35, 35, (6000, 2))
    np.savez(tmp_path / 'points.npz', points=np.c_[xy, 0.02 * xy[:, 0]])
    lidar = dict(lidar_path='points.npz', lidar2ego=np.eye(4).tolist(), num_pts_feats=3)
    _, report = estimate_scene([{**frame, 'lidar_points': lidar}], RoadEstimation('lidar', str(tmp_path), grid=GRID))
    assert report['pitch_degrees'][0] == pytest.approx(1.15, abs=0.03)


@pytest.mark.parametrize('path', [None, 'empty.bin'])
def test_a_scene_without_lidar_points(infos, tmp_path, path):
    frame = read_info_file(infos[0])['data_list'][0]
    (tmp_path / 'empty.bin').write_bytes(b'')
    frame = {**frame, 'lidar_points': {**frame['lidar_points'], 'lidar_path': path}}
    with pytest.raises(ValueError, match=r'scene scene-0061 has no lidar points .*take --source labels or poses'):
        estimate_scene([frame], RoadEstimation('lidar', str(tmp_path), grid=GRID))


def test_a_run_goes_on_where_it_stopped(infos, tmp_path):
    out, estimation = tmp_path / 'roads', RoadEstimation('poses', grid=GRID, with_sweeps=True)
    estimate_roads(infos, out, estimation, show_progress=False)
    files = sorted(out.rglob('*.*'))
    assert len(list(out.glob('*.npz'))) == 21  # keyframes and sweeps
    times = {path: path.stat().st_mtime_ns for path in files}
    lost = next(out.glob('scene-0553*.npz'))
    content = lost.read_bytes()
    lost.unlink()
    assert len(estimate_roads(infos, out, estimation, show_progress=False)) == 3
    assert lost.read_bytes() == content
    rewritten = {path for path in files if path.stat().st_mtime_ns != times[path]}
    assert rewritten and all('0553' in path.name for path in rewritten)
    with pytest.raises(ValueError, match=r'holds roads that were made with .*planes_only False \(now True\)'):
        estimate_roads(infos, out, RoadEstimation('poses', grid=GRID, with_sweeps=True, planes_only=True))


def test_a_single_frame_has_nothing_to_agree_with(infos, tmp_path):
    frame = read_info_file(infos[0])['data_list'][0]
    with PseudoLabelWriter(tmp_path, 'painter', 'a' * 64, ['Road', 'Sidewalk']) as writer:
        for camera, image in frame['images'].items():
            ids = np.zeros((image['height'], image['width']), np.uint8)
            writer.write(camera, Path(image['img_path']).stem, ids, np.full_like(ids, 255))
    labels = dict(root=str(tmp_path), label_map='mapillary_v1', classes=['drivable', 'crosswalk'])
    ((road2ego, heights),), report = estimate_scene([frame], RoadEstimation('labels', labels=labels, grid=GRID))
    np.testing.assert_allclose(road2ego, np.eye(4), atol=1e-6)
    assert np.abs(heights).max() < 1e-6
    assert report['classes'] == ['drivable'] and 'disagreement_labels' not in report


def test_what_a_source_needs():
    with pytest.raises(ValueError, match=r"source must be one of .*, got 'radar'"):
        RoadEstimation('radar')
    with pytest.raises(ValueError, match=r"'lidar' needs data_root"):
        RoadEstimation('lidar')
    with pytest.raises(ValueError, match=r"'labels' needs labels"):
        RoadEstimation('labels')


def test_doubts_of_the_tool():
    report = dict(pitch_degrees=[0.0, 1.0], roll_degrees=[0.0, 1.0], height_ahead=0.5)
    assert not doubts(report)
    assert not doubts(dict(report, disagreement_poses=0.12, disagreement_labels=0.09))
    (doubt,) = doubts(dict(report, disagreement_poses=0.12, disagreement_labels=0.115))
    assert 'agree hardly better on this road (0.115)' in doubt
    assert not doubts(dict(report, seen=0.3))
    (doubt,) = doubts(dict(report, seen=0.02))
    assert 'lidar points on 0.02 of the ground' in doubt
    (doubt,) = doubts(dict(report, roll_degrees=[0.0, 7.0]))
    assert 'steeper than roads are' in doubt


def test_the_tool(infos, lidar_root, tmp_path, monkeypatch, capsys):
    tool = Path(__file__).resolve().parents[2] / 'tools' / 'estimate_road.py'
    command = [
        tool,
        '--infos',
        infos[1],
        '--out',
        tmp_path / 'roads',
        '--source',
        'lidar',
        '--data-root',
        lidar_root,
        '--quiet',
    ]
    monkeypatch.setattr(sys, 'argv', [str(part) for part in command])
    runpy.run_path(str(tool), run_name='__main__')
    printed = capsys.readouterr().out
    assert 'scene-0103: frames 3, pitch_degrees [1.7' in printed and 'the roads of 3 frames' in printed
    assert json.loads((tmp_path / 'roads' / 'manifest.json').read_text())['source'] == 'lidar'
    monkeypatch.setattr(sys, 'argv', [*sys.argv[:6], 'labels'])
    with pytest.raises(SystemExit, match='needs labels'):
        runpy.run_path(str(tool), run_name='__main__')
    command[4] = tmp_path / 'others'
    monkeypatch.setattr(sys, 'argv', [str(part) for part in [*command[:-2], tmp_path, '--quiet']])
    with pytest.raises(SystemExit, match=r'lidar file not found: .*\(frame scene-0103'):
        runpy.run_path(str(tool), run_name='__main__')
