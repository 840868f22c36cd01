import numpy as np
import pytest

from ssl_bev.visualization.label_sheet import (
    HISTOGRAM_ROW,
    TILE_WIDTH,
    BEVPicture,
    CameraLabels,
    class_colours,
    draw_histogram,
    draw_label_sheet,
    draw_targets,
)
from ssl_bev.visualization.palette import STYLES

NAMES = ['Road', 'Lane Marking - General', 'Car']


def camera(name='CAM_FRONT', height=60, width=160):
    """Road below, car above; the left half of the road is drivable by the targets, the rest ignored."""
    ids = np.zeros((height, width), np.uint8)
    ids[: height // 2] = 2
    targets = np.full((height, width, 2), 255, np.uint8)
    targets[height // 2 :, : width // 2] = [1, 0]
    image = np.full((height, width, 3), 80, np.uint8)
    return CameraLabels(name, image, ids, np.full((height, width), 255, np.uint8), targets)


def has_colour(picture, colour):
    return (picture == np.asarray(colour, np.uint8)).all(-1)


def test_every_class_has_a_colour_of_its_own():
    colours = class_colours(124)
    assert len(np.unique(colours[:124], axis=0)) == 124
    assert (colours[124:] == 255).all()


def test_tiles_show_classes_where_they_are():
    sheet = draw_label_sheet([camera(), camera('CAM_BACK')], NAMES, ['drivable', 'marking'], title='token')
    road, car = class_colours(3)[[0, 2]]
    tile = slice(TILE_WIDTH + 16, 2 * TILE_WIDTH + 16)
    rows_of_car = np.flatnonzero(has_colour(sheet[:, tile], car).all(1))
    rows_of_road = np.flatnonzero(has_colour(sheet[:, tile], road).all(1))
    assert len(rows_of_car) == len(rows_of_road) == 120  # two tiles of 120 rows, half each
    assert (rows_of_road[:60] == rows_of_car[:60] + 60).all()


def test_targets_are_painted_and_what_is_ignored_is_hatched():
    picture = draw_targets(camera().image, camera().targets, ['drivable', 'marking'])
    painted = 0.3 * 80 + 0.7 * np.array(STYLES['drivable'].colour)
    np.testing.assert_allclose(picture[45, 20], painted, atol=1)
    ignored = picture[:30].reshape(-1, 3)
    assert 0.2 < (ignored == 235).all(-1).mean() < 0.3
    assert not has_colour(picture[30:, :80], (235, 235, 235)).any()


def test_histogram_has_the_commonest_class_first_on_a_logarithmic_scale():
    counts = np.zeros(256, np.int64)
    counts[[0, 1, 2]] = [9000, 90, 910]
    picture = draw_histogram(counts, NAMES)
    lengths = [
        has_colour(picture[row * HISTOGRAM_ROW : (row + 1) * HISTOGRAM_ROW], class_colours(3)[i]).any(0).sum()
        for row, i in enumerate((0, 2, 1))
    ]
    assert lengths[0] > lengths[1] > lengths[2] > 0
    assert lengths[1] - lengths[2] == pytest.approx(150 / 4, abs=2)  # a factor of ten is a quarter of the scale


def test_bev_pictures_stand_beside_and_odd_sizes_fit():
    red = np.full((300, 100, 3), (0, 0, 255), np.uint8)
    narrow = camera(height=90, width=120)
    sheet = draw_label_sheet([camera(), narrow], NAMES, ['drivable', 'marking'], [BEVPicture('map', red)] * 2)
    columns = np.flatnonzero(has_colour(sheet, (0, 0, 255)).any(0))
    assert len(columns) == 200 and columns[0] > 4 * TILE_WIDTH
    with pytest.raises(ValueError, match='at least one camera'):
        draw_label_sheet([], NAMES, ['drivable'])
    assert draw_label_sheet([camera()._replace(targets=camera().targets[..., :1])], NAMES, ['drivable']).ndim == 3
