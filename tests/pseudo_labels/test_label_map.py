import json

import numpy as np
import pytest

from ssl_bev.pseudo_labels import LabelMap, reduction_table, shipped_label_maps

TARGETS = ('drivable', 'marking', 'crosswalk')


def row(label_map, class_name):
    table = label_map.table(label_map.class_names, TARGETS)
    return table[label_map.class_names.index(class_name)].tolist()


@pytest.mark.parametrize(
    ('class_name', 'expected'),
    [
        ('Road', [1, 0, 0]),
        ('Manhole', [1, 0, 0]),
        ('Lane Marking - General', [1, 1, 0]),
        ('Lane Marking - Crosswalk', [1, 255, 1]),
        ('Crosswalk - Plain', [1, 255, 1]),
        ('Sidewalk', [0, 0, 0]),
        ('Terrain', [0, 0, 0]),
        ('Curb', [0, 0, 0]),
        ('Bike Lane', [255, 0, 0]),
        ('Car', [255, 255, 255]),
        ('Sky', [255, 255, 255]),
        ('Vegetation', [255, 255, 255]),
        ('Ego Vehicle', [255, 255, 255]),
    ],
)
def test_what_mapillary_classes_mean(class_name, expected):
    assert row(LabelMap.load('mapillary_v1'), class_name) == expected


def test_ids_of_the_reference_label_space():
    names = LabelMap.load('mapillary_v1').class_names
    assert len(names) == 65
    known = {
        13: 'Road',
        24: 'Lane Marking - General',
        2: 'Curb',
        29: 'Terrain',
        5: 'Barrier',
        19: 'Person',
        64: 'Ego Vehicle',
    }
    assert {i: names[i] for i in known} == known
    assert len(LabelMap.load('mapillary_v2').class_names) == 124


def test_v2_agrees_with_v1_where_v1_is_sure():
    v1, v2 = LabelMap.load('mapillary_v1'), LabelMap.load('mapillary_v2')
    reduction = reduction_table(v2.class_names, v1.class_names)
    fine, coarse = v2.table(v2.class_names, TARGETS), v1.table(v1.class_names, TARGETS)
    for i, name in enumerate(v2.class_names):
        if reduction[i] == 255:
            assert (fine[i] == 255).all(), name
            continue
        sure = (fine[i] != 255) & (coarse[reduction[i]] != 255)
        np.testing.assert_array_equal(fine[i][sure], coarse[reduction[i]][sure], name)


def test_reduction_keeps_paint_and_crossings_apart():
    v1, v2 = LabelMap.load('mapillary_v1').class_names, LabelMap.load('mapillary_v2').class_names
    reduction = reduction_table(v2, v1)
    for name in v2:
        if name.startswith('Lane Marking'):
            wanted = 'Crosswalk' if 'Crosswalk' in name else 'General'
            assert v1[reduction[v2.index(name)]] == f'Lane Marking - {wanted}'
    with pytest.raises(ValueError, match=r"unknown class 'Rode'; did you mean 'Road'"):
        reduction_table(['Rode'], v1)


def test_finer_targets_of_v2_tell_stop_lines_from_dividers():
    paint = ('Stop Line', 'Dashed Line', 'Straight Line', 'Arrow (Left)')
    names = [*(f'Lane Marking - {name}' for name in paint), 'Road']
    table = LabelMap.load('mapillary_v2').table(names, ('line', 'dashed', 'solid', 'stop_line', 'symbol'))
    expected = [[0, 0, 0, 1, 0], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 0, 1], [0] * 5]
    assert table.tolist() == expected


def test_table_follows_names_not_ids():
    label_map = LabelMap.load('mapillary_v1')
    table = label_map.table(['Lane Marking - General', 'Road'], ('marking', 'drivable'))
    assert table.tolist() == [[1, 1], [0, 1]]
    assert table.dtype == np.uint8


def test_unknown_names_stop_with_near_matches():
    label_map = LabelMap.load('mapillary_v1')
    with pytest.raises(
        ValueError, match=r"unknown teacher class 'lane marking general'; did you mean 'Lane Marking - "
    ):
        label_map.table(['Road', 'lane marking general'], ('drivable',))
    with pytest.raises(
        ValueError, match=r'unknown teacher class .*; label map mapillary_v2 knows all classes of this teacher$'
    ):
        label_map.table(['Road', 'Lane Marking - Dashed Line'], ('drivable',))
    with pytest.raises(ValueError, match=r"unknown target 'markings'; did you mean 'marking'"):
        label_map.table(['Road'], ('markings',))
    with pytest.raises(FileNotFoundError, match=r'mapillary_v3.*mapillary_v1'):
        LabelMap.load('mapillary_v3')


def test_teacher_without_a_class_of_the_target():
    with pytest.raises(ValueError, match=r"'marking' is missing from the teacher.*Lane Marking - General"):
        LabelMap.load('mapillary_v1').table(['Road', 'Sidewalk'], TARGETS)


def test_near_matches_of_a_class_that_the_teacher_lacks():
    with pytest.raises(ValueError, match=r"'marking' is missing.*did you mean 'Lane Marking - Crosswalk'"):
        LabelMap.load('mapillary_v1').table(['Road', 'Lane Marking - Crosswalk'], ('marking',))


@pytest.mark.parametrize('name', ['cityscapes', 'mapillary_v1', 'mapillary_v2'])
def test_movers_hide_the_ground(name):
    label_map = LabelMap.load(name)
    moving = label_map.moving(label_map.class_names)
    moved = {c.lower() for c, m in zip(label_map.class_names, moving, strict=True) if m}
    assert {'person', 'car', 'bus', 'truck', 'bicycle', 'motorcycle'} <= moved
    assert not moved & {'road', 'sidewalk', 'sky', 'building', 'ego vehicle', 'car mount', 'traffic cone'}
    hidden = label_map.table(label_map.class_names, ['drivable'])[moving]
    assert (hidden == 255).all()


def test_v2_movers_are_v1_movers():
    v1, v2 = LabelMap.load('mapillary_v1'), LabelMap.load('mapillary_v2')
    reduction = reduction_table(v2.class_names, v1.class_names)
    known = reduction != 255
    np.testing.assert_array_equal(v2.moving(v2.class_names)[known], v1.moving(v1.class_names)[reduction[known]])


def test_cityscapes_says_that_it_has_no_markings():
    cityscapes = LabelMap.load('cityscapes')
    assert cityscapes.table(['road', 'sidewalk', 'car'], ('drivable',))[:, 0].tolist() == [1, 0, 255]
    with pytest.raises(ValueError, match='Cityscapes has no road markings'):
        cityscapes.table(cityscapes.class_names, TARGETS)
    assert shipped_label_maps() == ['cityscapes', 'mapillary_v1', 'mapillary_v2', 'road_segmentation_adas']


def test_the_road_network_knows_road_curb_and_paint():
    road = LabelMap.load('road_segmentation_adas')
    expected = {'background': [255, 255], 'road': [1, 0], 'curb': [0, 0], 'mark': [1, 1]}
    table = road.table(road.class_names, ('drivable', 'marking'))
    assert dict(zip(road.class_names, table.tolist(), strict=True)) == expected
    with pytest.raises(ValueError, match="no target 'crosswalk': this network has no crossings"):
        road.table(road.class_names, TARGETS)
    with pytest.raises(ValueError, match='names no movers'):
        road.moving(road.class_names)


@pytest.mark.parametrize('name', ['cityscapes', 'road_segmentation_adas'])
def test_names_in_mapillary_mean_the_same(name):
    ours, v1 = LabelMap.load(name), LabelMap.load('mapillary_v1')
    reduction = reduction_table(ours.class_names, v1.class_names, f'{name}_to_mapillary_v1')
    known = reduction != 255
    assert [n for n, k in zip(ours.class_names, known, strict=True) if not k] == (
        ['background'] if name == 'road_segmentation_adas' else []
    )
    for target in ours.targets:
        theirs = v1.table(v1.class_names, [target])[reduction[known], 0]
        np.testing.assert_array_equal(ours.table(ours.class_names, [target])[known, 0], theirs)


CONTENT = {
    'class_names': ['asphalt', 'paint', 'car'],
    'roles': {'road': ['asphalt'], 'paint': ['paint'], 'hidden': ['car']},
    'targets': {'drivable': {'positive': ['road', 'paint'], 'ignore': ['hidden']}},
}


def test_maps_of_ones_own(tmp_path):
    path = tmp_path / 'own.json'
    path.write_text(json.dumps(CONTENT))
    for source in (CONTENT, path, str(path)):
        assert LabelMap.load(source).table(['car', 'paint'], ['drivable']).tolist() == [[255], [1]]


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        (
            'roles',
            {'road': ['asfalt'], 'paint': ['paint'], 'hidden': ['car']},
            "unknown class 'asfalt'; did you mean 'asphalt'",
        ),
        ('roles', {'road': ['asphalt'], 'paint': ['paint'], 'hidden': []}, r"without a role: \['car'\]"),
        (
            'roles',
            {'road': ['asphalt'], 'paint': ['paint', 'car'], 'hidden': ['car']},
            "has the roles 'paint' and 'hidden'",
        ),
        ('targets', {'drivable': {'positive': ['road']}}, r"not covered: \['hidden', 'paint'\]"),
        ('targets', {'drivable': {'positive': ['rood']}}, "unknown role 'rood'; did you mean 'road'"),
        ('targets', {'drivable': {'maybe': ['road']}}, "'maybe' is none of positive"),
        ('targets', {'drivable': {'positive': ['road'], 'ignore': ['road']}}, "'road' stands twice"),
    ],
)
def test_contradictions_are_found(key, value, message):
    with pytest.raises(ValueError, match=message):
        LabelMap.load({**CONTENT, key: value})


def test_unknown_movers():
    with pytest.raises(ValueError, match="movers names an unknown class 'cars'; did you mean 'car'"):
        LabelMap.load({**CONTENT, 'movers': ['cars']})
    with pytest.raises(ValueError, match='names no movers'):
        LabelMap.load(CONTENT).moving(['car'])
    with pytest.raises(ValueError, match="unknown teacher class 'kar'; did you mean 'car'"):
        LabelMap.load({**CONTENT, 'movers': ['car']}).moving(['kar'])


def test_file_that_is_no_label_map(tmp_path):
    (tmp_path / 'list.yaml').write_text('- Road')
    with pytest.raises(ValueError, match='must hold keys and values, got list'):
        LabelMap.load(tmp_path / 'list.yaml')


def test_missing_keys():
    with pytest.raises(ValueError, match=r"missing: \['roles', 'targets'\]"):
        LabelMap.load({'class_names': ['a']})
