import numpy as np
import pytest

from ssl_bev.geometry import BEVGrid
from ssl_bev.models.objectives.cell_labels import reading_rules
from ssl_bev.preparation.scene_evidence import SceneEvidence, View

GRID = BEVGrid((-4, 12), (-6, 6), 1.0)
# f = 60 px, 1.5 m above the plane, looking along x: u = 48 - 60 y / x, v = 12 + 90 / x, depth = x.
AHEAD = np.array([[48.0, -60, 0], [12, 0, 90], [1, 0, 0]])


def targets(ids, confidence):
    """Id 0 is against both classes, 1 for the first, 2 for both; others have no vote."""
    table = np.full((256, 2), 255, np.uint8)
    table[:3] = [[0, 0], [1, 0], [1, 1]]
    return table[ids]


def view(seed=None, plane2img=AHEAD, camera_xy=(0, 0), ids=1):
    generator = np.random.default_rng(seed)
    labels = np.full((48, 96), ids, np.uint8) if seed is None else generator.integers(0, 4, (48, 96), np.uint8)
    confidence = np.full((48, 96), 255, np.uint8) if seed is None else generator.integers(0, 256, (48, 96), np.uint8)
    return View(labels, confidence, np.asarray(plane2img), np.asarray(camera_xy, float))


def turned_and_moved(angle, x, y):
    """The camera at (x, y), looking along `angle`."""
    cos, sin = np.cos(angle), np.sin(angle)
    pose = np.array([[cos, -sin, x], [sin, cos, y], [0, 0, 1]])
    return {'plane2img': AHEAD @ np.linalg.inv(pose), 'camera_xy': (x, y)}


def test_a_vote_counts_by_the_pixels_of_its_cell():
    """At depth d a square metre of the road covers f^2 h / d^3 = 3600 * 1.5 / d^3 pixels.

    Cell (row 6, column 11) has its centre at x = 7.5, y = 0.5: 12.8 pixels. Column 13: x = 9.5, 6.2983 pixels.
    """
    evidence = SceneEvidence(GRID, reading_rules(2), max_pixels=10)
    evidence.add(view(), targets)
    against, favour = evidence.votes
    assert favour[0, 6, 11] == 10
    assert favour[0, 6, 13] == pytest.approx(5400 / 9.5**3)
    assert against[1, 6, 13] == pytest.approx(5400 / 9.5**3)
    assert against[0].sum() == favour[1].sum() == 0
    # v < 48 beyond x = 2.5; at x = 3.5 the image reaches to |y| = 48 / 60 * 3.5 = 2.8.
    assert (favour[0, :, :7] == 0).all()
    assert np.flatnonzero(favour[0, :, 7]).tolist() == [3, 4, 5, 6, 7, 8]


def test_equals_a_loop_over_cells_and_views():
    views = [view(1), view(2, **turned_and_moved(0.7, -2, 1)), view(3, **turned_and_moved(-2.5, 9, 3.3))]
    evidence = SceneEvidence(GRID, reading_rules(2), max_distance=7, max_pixels=3)
    expected = np.zeros_like(evidence.votes)
    centers = GRID.cell_centers().numpy().astype(float)
    for each in views:
        evidence.add(each, targets)
        for i, j in np.ndindex(*GRID.shape):
            x, y = centers[i, j]
            u, v, depth = each.plane2img @ [x, y, 1]
            if depth <= 0.1 or np.hypot(x - each.camera_xy[0], y - each.camera_xy[1]) > 7:
                continue
            column, row = int(np.floor(u / depth)), int(np.floor(v / depth))
            if not (0 <= column < 96 and 0 <= row < 48):
                continue
            weight = min(5400 / depth**3, 3) * each.confidence[row, column] / 255
            for k, value in enumerate(targets(each.ids[[row], [column]], None)[0]):
                if value != 255:
                    expected[value, k, i, j] += weight
    assert (expected > 0).mean() > 0.05
    np.testing.assert_allclose(evidence.votes, expected, rtol=1e-5)


def test_crop_gives_shares_and_what_is_not_observed():
    evidence = SceneEvidence(GRID, reading_rules(2))
    evidence.votes[0, :, 3, 4], evidence.votes[1, :, 3, 4] = [3, 0], [1, 2]
    centers = GRID.cell_centers().numpy()
    probability, weight = evidence.crop(centers)
    np.testing.assert_allclose(probability[:, 3, 4], [0.25, 1])
    np.testing.assert_allclose(weight[:, 3, 4], [4, 2], rtol=1e-5)
    assert weight.sum() == pytest.approx(6, rel=1e-4)
    # Half a cell aside, two cells share the votes; their proportion stays.
    probability, weight = evidence.crop(centers + [0.5, 0])
    np.testing.assert_allclose(weight[:, 3, 3:5], [[2, 2], [1, 1]], atol=1e-5)
    np.testing.assert_allclose(probability[:, 3, 3:5], [[0.25, 0.25], [1, 1]])
    # A point outside the raster is not observed.
    probability, weight = evidence.crop(np.array([[[100.0, 0], [-3.6, -2.6]]]))
    assert weight[:, 0, 0].tolist() == probability[:, 0, 0].tolist() == [0, 0]


def test_cameras_beyond_the_raster_do_no_harm():
    evidence = SceneEvidence(GRID, reading_rules(2), max_distance=5)
    for x, y in ((100, 0), (-100, 50), (0, -500)):
        evidence.add(view(**turned_and_moved(0.0, x, y)), targets)
    assert evidence.votes.sum() == 0


@pytest.mark.parametrize('name', ['max_distance', 'max_pixels'])
def test_limits_must_be_positive(name):
    with pytest.raises(ValueError, match=f'{name} must be positive, got 0'):
        SceneEvidence(GRID, reading_rules(2), **{name: 0})
