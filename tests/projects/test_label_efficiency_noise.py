"""A teacher made worse on purpose."""

import numpy as np
import pytest

from projects.LabelEfficiency.label_efficiency.noise import LEVELS, LabelNoise, NoiseLevel, smooth_field
from ssl_bev.pseudo_labels import LabelMap

NAMES = ['Road', 'Lane Marking - General', 'Lane Marking - Crosswalk', 'Sidewalk', 'Sky']
ROAD, MARKING, CROSSWALK, SIDEWALK, SKY = range(5)
SIZE = (96, 192)
CALM = NoiseLevel(0, 0, 0, 0, 0)


def street():
    """Sky above, a sidewalk on the left, a road with six lines and a crossing."""
    ids = np.full(SIZE, ROAD, np.uint8)
    ids[:24] = SKY
    ids[24:, :48] = SIDEWALK
    ids[24:, 60:180:20] = MARKING
    ids[24:, 61:180:20] = MARKING
    ids[70:80, 50:190] = CROSSWALK
    return ids


def degraded(level, name='CAM_FRONT/a', seed=0):
    return LabelNoise(NAMES, LabelMap.load('mapillary_v1'), level, seed)(street(), np.full(SIZE, 200, np.uint8), name)


def changes(level):
    """How often each class became each other, over several images; rows are the clean class."""
    table = np.zeros((5, 5))
    for name in range(20):
        np.add.at(table, (street(), degraded(level, str(name))[0]), 1)
    return table / table.sum(1, keepdims=True)


def test_no_noise_changes_nothing():
    ids, confidence = degraded(CALM)
    np.testing.assert_array_equal(ids, street())
    assert (confidence == 200).all()


def test_each_kind_of_error_changes_what_it_says_and_as_much():
    stay = np.eye(5)
    dropped = changes(NoiseLevel(0, 0.3, 0, 0, 0))
    assert dropped[MARKING, ROAD] == pytest.approx(0.3, abs=0.08) and dropped[MARKING, MARKING] < 0.8
    np.testing.assert_array_equal(dropped[[ROAD, CROSSWALK, SIDEWALK, SKY]], stay[[ROAD, CROSSWALK, SIDEWALK, SKY]])
    swapped = changes(NoiseLevel(0, 0, 0, 0, 0.2))
    assert swapped[ROAD, SIDEWALK] == pytest.approx(0.2, abs=0.06)
    assert swapped[SIDEWALK, ROAD] == pytest.approx(0.2, abs=0.06)
    np.testing.assert_array_equal(swapped[[MARKING, CROSSWALK, SKY]], stay[[MARKING, CROSSWALK, SKY]])
    invented = changes(NoiseLevel(0, 0, 0.5, 0, 0))
    assert 0.005 < invented[ROAD, MARKING] < 0.1
    np.testing.assert_array_equal(invented[1:], stay[1:])
    confused = changes(NoiseLevel(0, 0, 0, 0.3, 0))
    assert confused[MARKING, CROSSWALK] == pytest.approx(0.3, abs=0.08)
    assert confused[CROSSWALK, MARKING] == pytest.approx(0.3, abs=0.08)
    np.testing.assert_array_equal(confused[[ROAD, SIDEWALK, SKY]], stay[[ROAD, SIDEWALK, SKY]])


def test_jitter_moves_edges_by_its_standard_deviation():
    """The sidewalk's edge is a column; 0.02 of 192 pixels is 3.84."""
    edges = []
    for name in range(40):
        ids = degraded(NoiseLevel(0.02, 0, 0, 0, 0), str(name))[0]
        edges += [(row == SIDEWALK).sum() - 48 for row in ids[40:68:14]]
    assert np.std(edges) == pytest.approx(3.84, rel=0.25) and abs(np.mean(edges)) < 1


def test_the_same_seed_and_image_give_the_same_and_others_do_not():
    first = degraded(LEVELS['L2'])
    for a, b in zip(first, degraded(LEVELS['L2']), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (first[0] != degraded(LEVELS['L2'], name='CAM_FRONT/b')[0]).any()
    assert (first[0] != degraded(LEVELS['L2'], seed=1)[0]).any()


def test_errors_are_less_confident_but_not_separable():
    right, wrong = [], []
    for name in range(10):
        ids, confidence = degraded(LEVELS['L2'], str(name))
        right.append(confidence[ids == street()])
        wrong.append(confidence[ids != street()])
    right, wrong = np.concatenate(right), np.concatenate(wrong)
    assert np.mean(wrong) < np.mean(right) - 10
    assert np.mean(wrong > np.median(right)) > 0.1


def test_fields_have_unit_variance_everywhere_and_are_smooth():
    fields = np.stack([smooth_field(np.random.default_rng(seed), (40, 60), 8.0) for seed in range(400)])
    np.testing.assert_allclose(fields.std(0), 1, atol=0.2)
    near, far = ((fields[:, :, 30] * fields[:, :, 30 + lag]).mean() for lag in (1, 25))
    assert near > 0.97 and abs(far) < 0.1
