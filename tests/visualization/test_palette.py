import numpy as np
import pytest

from ssl_bev.visualization.palette import STYLES, class_styles, paint, painting_order

BASE = ['lane_divider', 'drivable_area', 'stop_line', 'road_divider', 'ped_crossing']


def test_areas_are_painted_before_lines():
    order = [BASE[index] for index in painting_order(BASE)]
    assert order == ['drivable_area', 'stop_line', 'ped_crossing', 'lane_divider', 'road_divider']


def test_known_classes_keep_their_colour_in_any_list():
    assert class_styles(BASE)[1] == class_styles(['drivable_area'])[0] == STYLES['drivable_area']


def test_unknown_classes_get_stable_and_distinct_colours():
    names = [f'class_{number}' for number in range(8)]
    colours = [style.colour for style in class_styles(names)]
    assert len(set(colours)) == len(names)
    assert colours == [style.colour for style in class_styles(names)]


def test_base_classes_differ_in_luminance_or_hue():
    colours = np.array([style.colour for style in class_styles(BASE)], float)
    distances = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    assert distances[~np.eye(len(BASE), dtype=bool)].min() > 60


def test_paint_covers_an_area_by_a_line_and_leaves_its_input_alone():
    picture = np.full((1, 3, 3), 200, np.uint8)
    strength = np.array([[[0.0, 1.0, 0.0]], [[1.0, 1.0, 0.0]]])  # lane_divider, drivable_area
    painted = paint(picture, strength, BASE[:2])
    assert painted[0, 0].tolist() == list(STYLES['drivable_area'].colour)
    assert painted[0, 1].tolist() == list(STYLES['lane_divider'].colour)
    assert painted[0, 2].tolist() == [200, 200, 200]
    assert (picture == 200).all()


def test_half_strength_is_the_mean():
    painted = paint(np.zeros((1, 1, 3), np.uint8), np.array([[[0.5]]]), ['stop_line'])
    assert np.abs(painted[0, 0] - np.array(STYLES['stop_line'].colour) / 2).max() <= 0.5


def test_shapes_must_fit():
    with pytest.raises(ValueError, match=r'strength must have the shape .* \(1, 4, 5\), got \(2, 4, 5\)'):
        paint(np.zeros((4, 5, 3), np.uint8), np.zeros((2, 4, 5)), ['stop_line'])
