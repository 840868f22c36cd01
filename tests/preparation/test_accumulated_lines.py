"""Lines and edges of accumulated targets, on a scene whose votes are set by hand."""

import numpy as np
import pytest

from ssl_bev.geometry import BEVGrid
from ssl_bev.models.objectives.cell_labels import reading_rules
from ssl_bev.preparation.accumulate_dataset import Accumulation
from ssl_bev.preparation.accumulate_scene import Scene, crop_frame
from ssl_bev.preparation.scene_evidence import SceneEvidence

GRID = BEVGrid((-5, 5), (-5, 5), 0.25)
RASTER = BEVGrid((-8, 8), (-8, 8), 0.125)
FRAME = dict(ego2global=np.eye(4), token='frame')
CLASSES = ('drivable', 'marking')


def scene(drivable, marking, seen=None):
    """Certain votes for what the functions of x and y say, where `seen` is true."""
    x, y = RASTER.cell_centers().double().numpy().transpose(2, 0, 1)
    evidence = SceneEvidence(RASTER, 2)
    present = np.stack([drivable(x, y), marking(x, y)])
    evidence.votes[:] = np.stack([~present, present]) * (1.0 if seen is None else seen(x, y))
    return Scene(evidence, np.zeros(2))


def crop(world, rules):
    probability, weight = crop_frame(world, FRAME, GRID, 'ego', rules)
    return probability, weight, *GRID.cell_centers().double().numpy().transpose(2, 0, 1)


def test_a_line_is_as_wide_as_the_map_draws_it():
    """Paint of one raster cell along x = 0.0625; a map with lines of 0.75 m: 0.315 m to either side are added."""
    world = scene(lambda x, y: y < 100, lambda x, y: np.abs(x - 0.0625) < 0.05)
    probability, weight, x, _ = crop(world, reading_rules(CLASSES, {'marking': 0.75}, {}, 0.12))
    assert (weight > 0).all()
    distance = np.abs(x - 0.0625)
    assert (probability[1][distance < 0.3] > 0.4).all()
    assert (probability[1][distance > 0.5] == 0).all()
    areas, _, _, _ = crop(world, None)
    np.testing.assert_array_equal(probability[0], areas[0])  # an area stays what it is
    assert (areas[1][distance > 0.2] == 0).all()


def test_the_edge_of_an_area_is_where_it_meets_what_is_not():
    world = scene(lambda x, y: y < 1.0, lambda x, y: x > 100)
    classes, edges = (*CLASSES, 'boundary'), {'boundary': 'drivable'}
    probability, _, _, y = crop(world, reading_rules(classes, {'boundary': 0.5}, edges, 0.12))
    distance = np.abs(y - 1.0)
    assert (probability[2][distance < 0.2] == 1).all()
    assert (probability[2][distance > 0.45] == 0).all()


def test_what_nobody_saw_weighs_nothing():
    world = scene(lambda x, y: y < 1.0, lambda x, y: np.abs(x - 1) < 0.2, seen=lambda x, y: x > 0)
    classes, edges = (*CLASSES, 'boundary'), {'boundary': 'drivable'}
    widths = {'marking': 0.5, 'boundary': 0.5}
    _, weight, x, _ = crop(world, reading_rules(classes, widths, edges, 0.12))
    assert (weight[:, x < -0.5] == 0).all() and (weight[:, x > 0.5] > 0.9).all()


def test_the_manifest_says_how_lines_are_drawn(tmp_path):
    labels = {'root': str(tmp_path), 'classes': ['drivable', 'marking'], 'manifest': None}
    made = Accumulation(labels, line_width={'boundary': 0.5}, edges={'boundary': 'drivable'})
    settings = made.settings()
    assert settings['classes'] == ['drivable', 'marking', 'boundary']
    assert (settings['line_width'], settings['edges']) == ({'boundary': 0.5}, {'boundary': 'drivable'})
    with pytest.raises(ValueError, match=r"line_width names \['lane'\]"):
        Accumulation(labels, line_width={'lane': 0.5})
    with pytest.raises(ValueError, match=r"edges are lines: line_width must name \['boundary'\]"):
        Accumulation(labels, edges={'boundary': 'drivable'})
