"""Accumulated targets of the hand-made data set, whose pseudo-labels show a pattern on the ground."""

import pickle
import runpy
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from ssl_bev.datasets import LoadAccumulatedTargets, LoadBEVImages, NuScenesBEVDataset, PackBEVInputs
from ssl_bev.datasets.accumulated_target_files import read_target, read_target_manifest, target_path, write_target
from ssl_bev.datasets.calibration import frame_cameras, frame_poses
from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.geometry import BEVGrid, ground_homography, pixel_grid, pixels_to_ground
from ssl_bev.preparation import parallel
from ssl_bev.preparation.accumulate_dataset import Accumulation, accumulate_dataset, read_scenes
from ssl_bev.preparation.accumulate_scene import accumulate_scene, crop_frame
from ssl_bev.preparation.create_infos import write_infos
from ssl_bev.pseudo_labels import PseudoLabelWriter
from ssl_bev.pseudo_labels.target_reader import TargetReader

GRID = BEVGrid((-20, 20), (-10, 10), 0.5)
SIZE = (48, 96)
NAMES = ['Road', 'Lane Marking - General', 'Sidewalk', 'Sky']


def pattern(xy):
    """Road on a disc of 14 m about (108, 101), sidewalk around it; paint where the road's y is over 103."""
    on_road = np.hypot(xy[..., 0] - 108, xy[..., 1] - 101) < 14
    return np.where(on_road, np.where(xy[..., 1] > 103, 1, 0), 2).astype(np.uint8)


def near_edge(xy, metres):
    """True where the pattern changes within a distance, roughly."""
    steps = metres * np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [0.7, 0.7], [-0.7, 0.7], [0.7, -0.7], [-0.7, -0.7]])
    return (pattern(xy[..., None, :] + steps) != pattern(xy)[..., None]).any(-1)


@pytest.fixture(scope='module')
def pseudo_labels(tiny_data, tmp_path_factory):
    """What cameras see of the pattern, keyframes and sweeps, each at the time that it was triggered."""
    root = tmp_path_factory.mktemp('pattern')
    pixels = pixel_grid(SIZE, dtype=torch.float64).flatten(0, 1)
    with PseudoLabelWriter(root, 'painter', 'a' * 64, NAMES) as writer:
        for split in ('train', 'val'):
            for keyframe in read_info_file(tiny_data / f'ssl_bev_infos_{split}.pkl')['data_list']:
                for frame in (keyframe, *keyframe['sweeps']):
                    cam2img, ego2cam = frame_cameras(frame, list(frame['images']), 'ego')
                    ego2global, road2ego = (torch.from_numpy(pose) for pose in frame_poses(frame, 'ego'))
                    for n, (camera, image) in enumerate(frame['images'].items()):
                        homography = ground_homography(torch.from_numpy(cam2img[n] @ ego2cam[n]), road2ego)
                        xy, _, valid = pixels_to_ground(pixels, homography)
                        ids = pattern((xy @ ego2global[:2, :2].T + ego2global[:2, 3]).numpy())
                        ids = np.where(valid.numpy(), ids, 3).astype(np.uint8).reshape(SIZE)
                        writer.write(camera, Path(image['img_path']).stem, ids, np.full(SIZE, 255, np.uint8))
    return root


def settings(root, **changes):
    labels = {'root': str(root), 'label_map': 'mapillary_v1', 'classes': ['drivable', 'marking']}
    return Accumulation(labels | changes.pop('labels', {}), **({'grid': GRID, 'max_distance': 15.0} | changes))


def infos(tiny_data):
    return [tiny_data / f'ssl_bev_infos_{split}.pkl' for split in ('train', 'val')]


@pytest.fixture(scope='module', params=['ego', 'lidar'])
def accumulated(request, tiny_data, pseudo_labels, tmp_path_factory):
    out = tmp_path_factory.mktemp(request.param) / 'out'
    arguments = settings(pseudo_labels, bev_frame=request.param, with_sweeps=True)
    assert accumulate_dataset(infos(tiny_data), out, arguments, show_progress=False) == {'written': 21, 'there': 0}
    return request.param, out


def test_targets_show_the_ground_of_each_frame(accumulated, tiny_data):
    """Whatever the heading of the scene, the cameras' times and the BEV frame."""
    bev_frame, out = accumulated
    centers = GRID.cell_centers(dtype=torch.float64).numpy()
    seen, truths = [], []
    for path in infos(tiny_data):
        for frame in read_info_file(path)['data_list']:
            pose = frame_poses(frame, bev_frame)[0]
            xy = centers @ pose[:2, :2].T + pose[:2, 3]
            ids = pattern(xy)
            probability, weight = read_target(out, frame['token'], (2, *GRID.shape))
            sure = (weight[0] > 127) & ~near_edge(xy, 0.6)
            seen.append(sure.mean())
            for k, truth in enumerate((ids != 2, ids == 1)):
                wrong = (probability[k] > 127) != truth
                assert wrong[sure].mean() < 0.005, (frame['token'], k)
                truths.append((k, truth[sure].mean()))
    assert np.mean(seen) > 0.2
    for k in (0, 1):
        assert 0.1 < np.mean([share for which, share in truths if which == k]) < 0.99


def test_the_whole_scene_votes(tiny_data, pseudo_labels):
    """More frames, more ground: what the first frame cannot see itself is seen by the others."""
    frames = read_info_file(infos(tiny_data)[0])['data_list'][:3]
    labels = TargetReader(pseudo_labels, 'mapillary_v1', ['drivable'])
    alone, whole = (accumulate_scene(f, labels, 0.5, 15.0).evidence.votes.sum(0) for f in (frames[:1], frames))
    assert (whole > 0).sum() > 1.3 * (alone > 0).sum()
    with pytest.raises(ValueError, match='at least one frame, got none'):
        accumulate_scene([], labels)


def test_a_scene_that_is_too_large(tiny_data, pseudo_labels):
    near = read_info_file(infos(tiny_data)[0])['data_list'][0]
    pose = np.array(near['ego2global'])
    pose[:2, 3] += 20_000
    frames = [near, {**near, 'ego2global': pose.tolist()}]
    labels = TargetReader(pseudo_labels, 'mapillary_v1', ['drivable', 'marking'])
    with pytest.raises(ValueError, match=r'needs a raster of 38\d GiB with cells of 0.125 m, .*into shorter scenes'):
        accumulate_scene(frames, labels)


@pytest.mark.parametrize('accumulated', ['ego'], indirect=True)
def test_resume_writes_what_is_missing_and_the_same(accumulated, tiny_data, pseudo_labels, tmp_path):
    _, finished = accumulated
    out = tmp_path / 'out'
    shutil.copytree(finished, out)
    lost = target_path(out, 'scene-0553-sample1')
    before = lost.read_bytes()
    lost.unlink()
    arguments = settings(pseudo_labels, with_sweeps=True)
    assert accumulate_dataset(infos(tiny_data), out, arguments, show_progress=False) == {'written': 7, 'there': 14}
    assert lost.read_bytes() == before
    other = settings(pseudo_labels, with_sweeps=True, labels={'mover_margin': 0.1})
    with pytest.raises(ValueError, match=r'made with mover_margin None \(now 0.1\); choose another folder'):
        accumulate_dataset(infos(tiny_data), out, other, show_progress=False)


class PicklingThreads(ThreadPoolExecutor):
    """Threads that hand over copies, as processes do: importing mmdet3d anew would take longer than all these tests."""

    def __init__(self, max_workers, context, initializer):
        super().__init__(max_workers)
        self.initializer = pickle.dumps(initializer)

    def submit(self, function, *arguments):
        function, arguments = pickle.loads(pickle.dumps((function, arguments)))
        return super().submit(function, *arguments)


@pytest.mark.parametrize('accumulated', ['ego'], indirect=True)
def test_workers_write_the_same_and_pass_errors_on(accumulated, tiny_data, pseudo_labels, tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, 'ProcessPoolExecutor', PicklingThreads)
    _, finished = accumulated
    arguments = settings(pseudo_labels, with_sweeps=True)
    assert accumulate_dataset(infos(tiny_data), tmp_path / 'out', arguments, 2, False)['written'] == 21
    for path in finished.iterdir():
        assert (tmp_path / 'out' / path.name).read_bytes() == path.read_bytes()
    shutil.copytree(pseudo_labels, tmp_path / 'labels')
    lost = next((tmp_path / 'labels').glob('labels/CAM_BACK/scene-0103*0.png'))
    lost.unlink()
    with pytest.raises(FileNotFoundError, match=lost.name):
        accumulate_dataset(infos(tiny_data), tmp_path / 'new', settings(tmp_path / 'labels'), 2, False)
    # The scene that lacks a label has no targets; nothing is half-written.
    assert not target_path(tmp_path / 'new', 'scene-0103-sample0').exists()
    assert all(path.suffix in ('.npz', '.json') for path in (tmp_path / 'new').iterdir())


def test_single_frames_ask_their_own_cameras_alone(tiny_data, pseudo_labels, tmp_path):
    arguments = settings(pseudo_labels, single_frames=True)
    accumulate_dataset(infos(tiny_data)[:1], tmp_path / 'single', arguments, show_progress=False)
    accumulate_dataset(infos(tiny_data)[:1], tmp_path / 'all', settings(pseudo_labels), show_progress=False)
    shape = (2, *GRID.shape)
    for frame in read_info_file(infos(tiny_data)[0])['data_list']:
        scene = accumulate_scene([frame], TargetReader(**arguments.labels), **arguments.raster)
        _, evidence = crop_frame(scene, frame, GRID)
        _, weight = read_target(tmp_path / 'single', frame['token'], shape)
        np.testing.assert_array_equal(weight, np.rint(np.minimum(evidence, 1) * 255))
        assert (weight <= read_target(tmp_path / 'all', frame['token'], shape)[1]).all()
    assert (weight < read_target(tmp_path / 'all', frame['token'], shape)[1]).any()


def test_loaded_into_a_sample(accumulated, tiny_data, tiny_root):
    bev_frame, out = accumulated

    def dataset(*transforms, **changes):
        arguments = {'data_root': str(tiny_root), 'info_root': str(tiny_data), 'bev_frame': bev_frame} | changes
        return NuScenesBEVDataset('ssl_bev_infos_train.pkl', [LoadBEVImages(), *transforms], **arguments)

    sample = dataset(LoadAccumulatedTargets(str(out), ['marking', 'drivable']), PackBEVInputs())[1]['data_samples']
    probability, weight = read_target(out, sample.sample_token, (2, *GRID.shape))
    np.testing.assert_array_equal(sample.accumulated_probability, probability[::-1])
    np.testing.assert_array_equal(sample.accumulated_weight, weight[::-1])
    assert sample.accumulated_grid == GRID and sample.accumulated_classes == ['marking', 'drivable']
    completed = LoadAccumulatedTargets(str(out), ['drivable', 'marking'], 'completed')
    sample = dataset(completed, PackBEVInputs())[1]['data_samples']
    np.testing.assert_array_equal(sample.completed_probability, probability)
    np.testing.assert_array_equal(sample.completed_weight, weight)
    assert sample.completed_classes == ['drivable', 'marking'] and 'accumulated_weight' not in sample
    for arguments, message in (
        (dict(classes=['lane']), r"classes \['lane'\] are not in the targets of"),
        (dict(kind='self'), "kind='self' is now kind='completed'"),
        (dict(kind='own'), r"kind must be one of \('accumulated', 'completed'\), got 'own'"),
    ):
        with pytest.raises(ValueError, match=message):
            LoadAccumulatedTargets(str(out), **arguments)
    other = 'lidar' if bev_frame == 'ego' else 'ego'
    with pytest.raises(ValueError, match=f'--bev-frame {other}'):
        dataset(LoadAccumulatedTargets(str(out)), bev_frame=other)[0]


def test_info_files_without_frames(tmp_path):
    file = tmp_path / 'ssl_bev_infos_val.pkl'
    write_infos(file, [], 'own', 'own')
    with pytest.raises(ValueError, match=r'no frame in .*ssl_bev_infos_val.pkl; make it with tools/create_data.py'):
        read_scenes([file], with_sweeps=False)


def test_broken_and_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'manifest of accumulated targets not found.*accumulate_pseudo'):
        LoadAccumulatedTargets(str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r'frame-7.npz \(frame frame-7\); make it with'):
        read_target(tmp_path, 'frame-7', (1, 2, 2))
    write_target(tmp_path, 'a', np.full((1, 2, 2), 0.5), np.full((1, 2, 2), 2.0))
    probability, weight = read_target(tmp_path, 'a', (1, 2, 2))
    assert (probability == 128).all() and (weight == 255).all()
    with pytest.raises(ValueError, match=r'must be \(1, 3, 2\) uint8 as its manifest says, got \(1, 2, 2\)'):
        read_target(tmp_path, 'a', (1, 3, 2))
    path = target_path(tmp_path, 'a')
    whole = path.read_bytes()
    for part in (0.9, 0.5, 0.0):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(ValueError, match=r'a.npz is broken .*; delete it'):
            read_target(tmp_path, 'a', (1, 2, 2))
    for content, message in (('{', 'is no JSON'), ('{}', "must have the key 'classes'")):
        (tmp_path / 'manifest.json').write_text(content)
        with pytest.raises(ValueError, match=message):
            read_target_manifest(tmp_path)


def test_faulty_arguments_leave_nothing_behind(tiny_data, pseudo_labels, tmp_path):
    out = tmp_path / 'out'
    for changes, message in (
        ({'labels': {'classes': ['drivabel']}}, "unknown target 'drivabel'; did you mean 'drivable'"),
        ({'labels': {'ego_body': {'CAM_BAK': 0.8}}}, r"ego_body \['CAM_BAK'\] are not .*did you mean 'CAM_BACK'"),
        ({'labels': {'min_confidence': 2}}, 'min_confidence must be in'),
        ({'full_weight': 0}, 'full_weight must be positive'),
        ({'bev_frame': 'map'}, 'bev_frame must be one of'),
    ):
        with pytest.raises(ValueError, match=message):
            accumulate_dataset(infos(tiny_data), out, settings(pseudo_labels, **changes), show_progress=False)
    with pytest.raises(ValueError, match='workers must be at least 1'):
        accumulate_dataset(infos(tiny_data), out, settings(pseudo_labels), 0)
    assert not out.exists()
    (tmp_path / 'foreign').write_text('')
    with pytest.raises(ValueError, match='is not empty and holds no accumulated targets'):
        accumulate_dataset(infos(tiny_data), tmp_path, settings(pseudo_labels))


def test_the_tool(tiny_data, pseudo_labels, tmp_path, monkeypatch, capsys):
    tool = Path(__file__).resolve().parents[2] / 'tools' / 'accumulate_pseudo_labels.py'

    def run(*arguments):
        command = [
            '--infos',
            *map(str, infos(tiny_data)),
            '--out',
            str(tmp_path / 'out'),
            '--label-map',
            'mapillary_v1',
        ]
        command += ['--classes', 'drivable', '--pseudo-labels', str(pseudo_labels), '--cell-size', '1', '--quiet']
        monkeypatch.setattr(sys, 'argv', [str(tool), *command, *arguments])
        runpy.run_path(str(tool), run_name='__main__')
        return capsys.readouterr().out

    body = ('--ego-body', '{"CAM_BACK": 0.8}')
    assert '9 frames written, 0 were there' in run(*body)
    assert '0 frames written, 9 were there' in run(*body)
    with pytest.raises(SystemExit, match=r"error: .*made with ego_body {'CAM_BACK': 0.8}"):
        run()
    assert read_target_manifest(tmp_path / 'out')['grid'].shape == (30, 60)
    for option, value, message in (
        ('--line-width', '0.2', 'must be an object, got 0.2; give JSON such as {"marking": 0.5}'),
        ('--line-width', '{"marking": "a"}', "marking must be a finite width in metres from 0 to 100, got 'a'; give"),
        ('--line-width', 'marking=0.5', "must be an object, got 'marking=0.5'; give JSON such as"),
        ('--edges', '{"boundary": ["drivable"]}', "boundary must be a text, got ['drivable']; quote it; give JSON"),
        ('--inside', '[]', 'must be an object, got []; give JSON such as {"marking": "drivable"}'),
        ('--ego-body', '[1]', 'must be an object, got [1]; give JSON such as {"CAM_BACK": 0.83}'),
        ('--ego-body', '{"CAM_BACK": [1, 2, 3]}', 'CAM_BACK.0 must be a list of 2 finite numbers'),
    ):
        with pytest.raises(SystemExit):
            run(option, value)
        assert f'error: argument {option}: {message}' in capsys.readouterr().err
