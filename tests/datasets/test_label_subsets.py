import pytest

from ssl_bev.datasets import draw_label_subset, read_scene_list, write_label_subset

SCENES = [f'scene{i}' for i in range(40)]


@pytest.mark.parametrize('seed', [0, 1, 7])
def test_smaller_fractions_are_part_of_larger(seed):
    sizes = [0.1, 0.25, 0.5, 1.0]
    subsets = [set(draw_label_subset(SCENES, fraction, seed)) for fraction in sizes]
    assert [len(s) for s in subsets] == [4, 10, 20, 40]
    assert subsets[0] < subsets[1] < subsets[2] < subsets[3]


def test_draw_depends_on_the_seed_alone():
    drawn = draw_label_subset(SCENES, 0.25, 3)
    assert drawn == draw_label_subset(SCENES[::-1] + SCENES, 0.25, 3)
    assert drawn != draw_label_subset(SCENES, 0.25, 4)
    # Published lists must stay what they are.
    assert draw_label_subset(SCENES, 0.05, 0) == ['scene23', 'scene35']


def test_at_least_one_scene():
    assert len(draw_label_subset(SCENES[:3], 0.01)) == 1


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
