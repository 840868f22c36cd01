import importlib.util
from itertools import pairwise
from pathlib import Path

import pytest

from ssl_bev.datasets import draw_label_subset, read_scene_list, write_label_subset

SCENES = [f'scene{i}' for i in range(40)]


@pytest.mark.parametrize('seed', [0, 1, 7])
def test_smaller_fractions_are_part_of_larger(seed):
    sizes = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0]
    subsets = [set(draw_label_subset(SCENES, fraction, seed)) for fraction in sizes]
    assert [len(s) for s in subsets] == [1, 2, 4, 10, 20, 40]
    assert all(smaller < larger for smaller, larger in pairwise(subsets))


def test_draw_depends_on_the_seed_alone():
    drawn = draw_label_subset(SCENES, 0.25, 3)
    assert drawn == draw_label_subset(SCENES[::-1] + SCENES, 0.25, 3)
    assert drawn != draw_label_subset(SCENES, 0.25, 4)
    # Published lists must stay what they are.
    assert draw_label_subset(SCENES, 0.05, 0) == ['scene23', 'scene35']


def test_at_least_one_scene():
    sizes = [0.01, 0.05, 0.1, 0.25, 0.5]
    subsets = [draw_label_subset(SCENES[:3], fraction) for fraction in sizes]
    assert [len(s) for s in subsets] == [1, 1, 1, 1, 2]
    assert all(set(smaller) <= set(larger) for smaller, larger in pairwise(subsets))


def test_the_tool_publishes_nested_lists(tiny_data, tmp_path):
    path = Path(__file__).resolve().parents[2] / 'tools' / 'make_label_subsets.py'
    spec = importlib.util.spec_from_file_location('make_label_subsets', path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    infos = [str(tiny_data / f'ssl_bev_infos_{split}.pkl') for split in ('train', 'val')]
    out = tmp_path / 'subsets'
    tool.main(['--infos', *infos, '--seeds', '4', '--out', str(out)])
    names = [f'{percent}percent_seed4.txt' for percent in (1, 5, 10, 25, 50)]
    assert sorted(p.name for p in out.iterdir()) == sorted(names)
    lists = [read_scene_list(out / name) for name in names]
    every = ['scene-0061-token', 'scene-0103-token', 'scene-0553-token']
    assert lists[-1] == draw_label_subset(every, 0.5, 4)
    assert [len(scenes) for scenes in lists] == [1, 1, 1, 1, 2]
    assert all(set(smaller) <= set(larger) for smaller, larger in pairwise(lists))
    # Of a list of scenes only those are drawn.
    chosen = ['--scene-list', str(tmp_path / 'train.txt')]
    (tmp_path / 'train.txt').write_text('scene-0103\n')
    tool.main(['--infos', *infos, '--fractions', '0.5', '--seeds', '0', *chosen, '--out', str(out)])
    assert read_scene_list(out / '50percent_seed0.txt') == ['scene-0103-token']
    with pytest.raises(SystemExit, match='--scene-list names 1 of 1 scenes that are not in the info files: scene-0103'):
        tool.main(['--infos', infos[0], *chosen, '--out', str(out)])


@pytest.mark.parametrize('fraction', [0, -0.5, 1.01, 50])
def test_fraction_out_of_range(fraction):
    with pytest.raises(ValueError, match=r'label_fraction must be in \(0, 1\]'):
        draw_label_subset(SCENES, fraction)


def test_lists_survive_the_file(tmp_path):
    path = tmp_path / 'lists' / 'subset.txt'
    write_label_subset(path, ['b', 'a'], 0.5, 3)
    assert read_scene_list(path) == ['b', 'a']
    assert 'fraction 0.5, seed 3' in path.read_text()
    assert read_scene_list(['x']) == ['x']
    path.write_text('# nothing\n')
    with pytest.raises(ValueError, match='is empty'):
        read_scene_list(path)
    with pytest.raises(FileNotFoundError, match='scene list not found'):
        read_scene_list(tmp_path / 'none.txt')
    with pytest.raises(ValueError, match='no scene to draw from'):
        draw_label_subset([], 0.5)
