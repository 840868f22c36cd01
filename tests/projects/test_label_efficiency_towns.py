"""Towns merged into one data set, the seconds of the teacher, and the tool's command line."""

import importlib.util
import pickle
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from projects.SyntheticNuScenes.label_efficiency import towns as module
from projects.SyntheticNuScenes.label_efficiency.merge import merge_infos, merge_labels, scene_numbers
from projects.SyntheticNuScenes.label_efficiency.pools import POOLS, TOY_POOLS
from projects.SyntheticNuScenes.label_efficiency.towns import TownData
from ssl_bev.datasets.bev_label_files import label_path, read_label_manifest, write_label
from ssl_bev.datasets.info_files import read_info_file

PROJECT = Path(__file__).resolve().parents[2]


def relabel(content, mark):
    """The same info file as of another town: other tokens, and a sweep."""
    for frame in content['data_list']:
        frame['token'], frame['scene_token'] = frame['token'] + mark, frame['scene_token'] + mark
        cameras = {name: dict(img_path='sweeps/a.jpg') for name in frame['images']}
        frame['sweeps'] = [dict(token='sweep' + frame['token'], images=cameras)]
    return content


@pytest.fixture
def two_towns(tiny_data, tmp_path):
    for mark in 'ab':
        town = tmp_path / 'towns' / mark
        shutil.copytree(tiny_data / 'bev_labels', town / 'bev_labels')
        for file in (town / 'bev_labels').glob('*.png'):
            file.rename(file.with_stem(file.stem + mark))
        content = relabel(read_info_file(tiny_data / 'ssl_bev_infos_train.pkl'), mark)
        (town / 'ssl_bev_infos_train.pkl').write_bytes(pickle.dumps(content))
    return tmp_path


def test_merged_infos_find_their_images_and_count_frames(two_towns):
    count = merge_infos(two_towns, ['towns/a', 'towns/b'], 'train', 'both')
    frames = read_info_file(two_towns / 'ssl_bev_infos_both.pkl')['data_list']
    assert len(frames) == count and [frame['sample_idx'] for frame in frames] == list(range(count))
    for town, frame in (('towns/a/', frames[0]), ('towns/b/', frames[-1])):
        for camera in (*frame['images'].values(), *frame['sweeps'][0]['images'].values()):
            assert camera['img_path'].startswith(town) and camera['img_path'].count('towns/') == 1
    numbers = scene_numbers(two_towns, ['both'])['both']
    assert numbers['keyframes'] == count and numbers['frames'] == 2 * count
    assert numbers['scenes'] == len({frame['scene_token'] for frame in frames})


def test_the_same_town_twice_is_refused(two_towns):
    with pytest.raises(ValueError, match=r'towns/a, towns/a share frame tokens'):
        merge_infos(two_towns, ['towns/a', 'towns/a'], 'train', 'both')
    assert not (two_towns / 'ssl_bev_infos_both.pkl').exists()


def test_label_files_hold_published_and_exact_classes(two_towns):
    manifest = read_label_manifest(two_towns / 'towns/a/bev_labels')
    names, shape = manifest['classes'], manifest['grid'].shape
    for mark in 'ab':
        town = two_towns / 'towns' / mark
        for file in (town / 'bev_labels').glob('*.png'):
            exact = np.zeros((len(names), *shape), bool)
            exact[-1, 3, 5] = True
            write_label(town / 'truth' / 'bev_labels', file.stem, exact)
    count = merge_labels(two_towns, ['towns/a', 'towns/b'], 'both', 'truth/bev_labels')
    merged = read_label_manifest(two_towns / 'both')
    assert merged['classes'] == [*names, *(f'exact_{name}' for name in names)]
    assert merged['grid'] == manifest['grid']
    files = sorted((two_towns / 'towns/b/bev_labels').glob('*.png'))
    assert count == 2 * len(files)
    bits = cv2.imread(str(label_path(two_towns / 'both', files[0].stem)), cv2.IMREAD_UNCHANGED)
    published = cv2.imread(str(files[0]), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(bits & (2 ** len(names) - 1), published)
    assert np.argwhere(bits >> len(names)).tolist() == [[3, 5]]
    assert bits[3, 5] >> (2 * len(names) - 1) == 1


def test_towns_never_share_a_seed_within_a_split():
    for pools in (POOLS, TOY_POOLS):
        for split in ('train', 'val'):
            seeds = [p.seed + i for p in pools.values() if p.split == split for i in range(p.towns)]
            assert len(set(seeds)) == len(seeds)


class FakeTeacher:
    """Labels all images at 0.5 s each, or stops after some."""

    def __init__(self):
        self.stop_after, self.calls, self.processes = None, 0, []

    def __call__(self, tool, *arguments, log, processes):
        self.calls += 1
        self.processes.append(processes)
        folder = Path(arguments[arguments.index('--out') + 1]) / 'confidence' / 'CAM'
        folder.mkdir(parents=True, exist_ok=True)
        there = len(list(folder.iterdir()))
        frames = {'ssl_bev_infos_train.pkl': 2, 'ssl_bev_infos_unlabelled.pkl': 3}
        wanted = 6 * sum(frames.get(Path(str(argument)).name, 0) for argument in arguments)
        for index in range(there, min(wanted, self.stop_after or wanted)):
            (folder / f'{index}.png').touch()
        return 0.5 * (len(list(folder.iterdir())) - there)


@pytest.fixture
def data(tmp_path, monkeypatch):
    teacher = FakeTeacher()
    monkeypatch.setattr(module, 'run_tool', teacher)
    data = TownData(tmp_path, POOLS, 'mask2former', tmp_path / 'logs')
    numbers = dict(train=dict(keyframes=2, frames=4), unlabelled=dict(keyframes=3, frames=6))
    data.note('numbers', numbers)
    return data, teacher


def test_teacher_seconds_are_those_of_all_images_that_a_setting_sees(data):
    data, teacher = data
    data.make_pseudo_labels('same_images')
    assert data.seconds('same_images', False) == {'teacher': 2 * 6 * 0.5}
    data.make_pseudo_labels('more_images')
    assert data.seconds('more_images', False) == {'teacher': 5 * 6 * 0.5}
    assert data.seconds('labels_only', False) == {}
    data.make_pseudo_labels('same_images')
    assert teacher.calls == 2  # all there


def test_seconds_are_those_of_one_core(data):
    data, teacher = data
    data.jobs = 3
    data.make_pseudo_labels('same_images')
    assert teacher.processes == [3]
    assert data.seconds('same_images', False) == {'teacher': 3 * 2 * 6 * 0.5}


def test_a_teacher_that_was_stopped_goes_on_and_still_has_all_seconds(data):
    data, teacher = data
    teacher.stop_after = 5
    data.make_pseudo_labels('same_images')
    teacher.stop_after = None
    data.make_pseudo_labels('same_images')
    assert teacher.calls == 2
    assert data.seconds('same_images', False) == {'teacher': 2 * 6 * 0.5}


def test_data_of_another_teacher_are_refused(data):
    data, _ = data
    data.note('teacher', 'oracle')
    with pytest.raises(ValueError, match='made with teacher oracle, now mask2former; choose another folder'):
        data.make_towns()


@pytest.fixture
def main():
    """The tool's own, without a process."""
    spec = importlib.util.spec_from_file_location('label_efficiency', PROJECT / 'tools' / 'label_efficiency.py')
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return lambda *arguments: tool.main([str(argument) for argument in arguments])


def test_the_tool_lists_and_says_what_is_wrong(main, tmp_path, capsys):
    places = ('--out', tmp_path, '--data', tmp_path / 'data', '--target', tmp_path / 'report')
    assert main('--list', '--headline', *places) == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == [
        'labels_only_supervised_100pct_seed0', 'more_images_completed_only_50pct_seed0',
        'more_images_completed_only_10pct_seed0',
    ]  # fmt: skip
    assert not list(tmp_path.iterdir())
    assert main('--report', *places) == 1
    assert 'no tested run' in capsys.readouterr().err
    assert main('--list', '--arms', 'jiont', *places) == 1
    assert 'unknown arm jiont' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main('--cfg-options', 'optim_wrapper.optimizer.lr=1', '--variant', 'a')
    assert '--screen' in capsys.readouterr().err
