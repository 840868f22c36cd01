"""Lines and edges of accumulated targets, seen by a camera that looks straight down."""

import numpy as np
import pytest

from ssl_bev.geometry import BEVGrid
from ssl_bev.models.objectives.cell_labels import reading_rules
from ssl_bev.preparation.accumulate_dataset import Accumulation
from ssl_bev.preparation.scene_evidence import SceneEvidence, View

GRID = BEVGrid((-5, 5), (-5, 5), 0.125)
X, Y = GRID.cell_centers().double().numpy().transpose(2, 0, 1)
INNER = np.maximum(np.abs(X), np.abs(Y)) < 4.6
PER_METRE, HEIGHT, SIZE = 20, 10.0, 200  # pixels; metres; the image shows x and y from -5 to 5
DOWN = np.array(
    [[PER_METRE * HEIGHT, 0, SIZE / 2 * HEIGHT], [0, PER_METRE * HEIGHT, SIZE / 2 * HEIGHT], [0, 0, HEIGHT]]
)
CLASSES, EDGES = ('drivable', 'marking', 'boundary'), {'boundary': 'drivable'}
OFF, ROAD, PAINT, UNKNOWN = range(4)


def targets(ids, confidence):
    """Of the classes drivable and marking."""
    values = np.stack([ids != OFF, ids == PAINT], -1).astype(np.uint8)
    return np.where((ids == UNKNOWN)[:, None], 255, values)


def vote(ids_at, line_width=None, views=1, **more):
    """Shares and weights of the votes where the image shows the ids that a function of x and y gives."""
    along = (np.arange(SIZE) + 0.5 - SIZE / 2) / PER_METRE
    ids = ids_at(*np.meshgrid(along, along)).astype(np.uint8)
    view = View(ids, np.full(ids.shape, 255, np.uint8), DOWN, np.zeros(2))
    widths = {'boundary': 0.5} | (line_width or {})
    evidence = SceneEvidence(GRID, reading_rules(CLASSES, widths, EDGES, **more), max_distance=20.0)
    for _ in range(views):
        evidence.add(view, targets)
    weight = evidence.votes.sum(0)
    return evidence.votes[1] / np.maximum(weight, 1e-9), weight


def road_with_paint(x, y):
    """Paint of 0.12 m along y = 0 on a road that ends at y = 3."""
    return np.where(np.abs(y) < 0.06, PAINT, np.where(y < 3.0, ROAD, OFF))


def test_a_line_is_as_wide_as_the_map_draws_it():
    """A map with lines of 0.75 m: the paint's 0.12 m grow by 0.315 m to either side."""
    share, weight = vote(road_with_paint, {'marking': 0.75})
    assert (weight[:, INNER] > 0).all()
    assert (share[1][np.abs(Y) < 0.3] == 1).all()
    assert (share[1][np.abs(Y) > 0.375 + 0.05] == 0).all()
    areas, _ = vote(road_with_paint)
    np.testing.assert_array_equal(share[0], areas[0])  # an area stays what it is
    assert (areas[1][np.abs(Y) > 0.125] == 0).all()


def test_the_edge_of_an_area_is_where_it_meets_what_is_not():
    share, _ = vote(road_with_paint)
    assert (share[2][np.abs(Y - 3) < 0.15] == 1).all()
    assert (share[2][np.abs(Y - 3) > 0.3] == 0).all()


def test_lines_along_the_edge_are_left_out():
    """Paint along y = 0 and along y = 2.5 of a road that ends at y = 3."""

    def road(x, y):
        return np.where(np.abs(y - 2.5) < 0.06, PAINT, road_with_paint(x, y))

    kept, weight = vote(road, {'marking': 0.5})
    inside, same = vote(road, {'marking': 0.5}, inside={'marking': 'drivable'}, edge_margin=1.0)
    middle, edge = INNER & (np.abs(Y) < 0.15), INNER & (np.abs(Y - 2.5) < 0.15)
    assert (kept[1][middle | edge] == 1).all() and (inside[1][middle] == 1).all() and (inside[1][edge] == 0).all()
    np.testing.assert_array_equal(weight, same)


def test_what_is_not_known_does_not_vote():
    """Half of the image is hidden: neither a line nor an edge is made of that."""
    share, weight = vote(lambda x, y: np.where(x < 0, UNKNOWN, road_with_paint(x, y)), {'marking': 0.5})
    assert (weight[:, X < -0.3] == 0).all() and (weight[:, INNER & (X > 0.3)] > 0.9).all()
    on_the_border = (np.abs(X) < 0.2) & (np.abs(Y) > 1) & (np.abs(Y - 3) > 1)
    assert (share[1:, on_the_border] == 0).all()


def test_votes_of_several_images_add_up():
    once, twice = vote(road_with_paint), vote(road_with_paint, views=2)
    np.testing.assert_allclose(twice[0], once[0])
    np.testing.assert_allclose(twice[1], 2 * once[1])


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
