import numpy as np
import pytest

from ssl_bev.geometry import BEVGrid
from ssl_bev.visualization.bev_axes import draw_axes
from ssl_bev.visualization.bev_image import GROUND, draw_bev, to_picture_position, turn_forward_up
from ssl_bev.visualization.palette import STYLES

#        forward, up in the picture
#   left            right
# Ahead and to the left is x > 0, y > 0 in the ego frame, and x < 0, y > 0 in the lidar frame (x right, y forward).
EGO_GRID = BEVGrid((-30, 30), (-15, 15), 0.5)
LIDAR_GRID = BEVGrid((-15, 15), (-30, 30), 0.5)
AHEAD_LEFT = {'ego': (EGO_GRID, (20.0, 10.0)), 'lidar': (LIDAR_GRID, (-10.0, 20.0))}
BLUE_GREY = np.array(STYLES['drivable_area'].colour)


def blob(grid: BEVGrid, xy: tuple[float, float]) -> np.ndarray:
    """A map (1, H, W) with one square metre around a point."""
    distance = (grid.cell_centers() - grid.cell_centers().new_tensor(xy)).abs().amax(-1)
    return (distance < 1.0).float().numpy()[None]


def centre_of(picture: np.ndarray) -> tuple[float, float]:
    rows, columns = np.nonzero(np.abs(picture.astype(int) - BLUE_GREY).max(-1) <= 2)
    return rows.mean() / picture.shape[0], columns.mean() / picture.shape[1]


@pytest.mark.parametrize('bev_frame', ['ego', 'lidar'])
def test_a_blob_ahead_left_is_drawn_up_left(bev_frame):
    grid, xy = AHEAD_LEFT[bev_frame]
    picture = draw_bev(blob(grid, xy), ['drivable_area'], grid, bev_frame=bev_frame)
    assert picture.shape == (360, 180, 3)
    row, column = centre_of(picture)
    assert row == pytest.approx(10 / 60, abs=0.01)  # 20 m ahead: 10 m below the upper edge of 60 m
    assert column == pytest.approx(5 / 30, abs=0.01)  # 10 m to the left: 5 m from the left edge of 30 m


def test_a_blob_behind_right_is_drawn_down_right():
    row, column = centre_of(draw_bev(blob(EGO_GRID, (-20, -10)), ['drivable_area'], EGO_GRID))
    assert row > 0.7 and column > 0.7


@pytest.mark.parametrize('bev_frame', ['ego', 'lidar'])
def test_positions_agree_with_the_turned_cells(bev_frame):
    grid, xy = AHEAD_LEFT[bev_frame]
    turned = turn_forward_up(blob(grid, xy)[0], bev_frame)
    rows, columns = np.nonzero(turned)
    position = to_picture_position(np.array(xy), grid, 1, bev_frame)
    assert position == pytest.approx([columns.mean() + 0.5, rows.mean() + 0.5])


def test_turning_keeps_trailing_dimensions_and_the_input():
    bev = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    before = bev.copy()
    turned = turn_forward_up(bev)
    assert turned.shape == (3, 2, 4)
    assert (turned[0, 0] == bev[1, 2]).all()  # farthest ahead, farthest left
    assert (bev == before).all()


def test_unobserved_cells_are_hatched_and_others_are_not():
    observed = np.zeros(EGO_GRID.shape, bool)
    observed[: EGO_GRID.shape[0] // 2] = True  # the right half: y < 0
    picture = draw_bev(np.zeros((1, *EGO_GRID.shape)), ['drivable_area'], EGO_GRID, observed=observed)
    left, right = picture[:60, 10:50], picture[20:55, 100:115]
    assert len(np.unique(left)) >= 2 and left.max() < GROUND
    assert (right == GROUND).mean() > 0.9


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match=r'probabilities must have the shape .* \(1, 60, 120\), got \(1, 120, 60\)'):
        draw_bev(np.zeros((1, 120, 60)), ['drivable_area'], EGO_GRID)
    with pytest.raises(ValueError, match=r'observed must have the shape of the grid, \(60, 120\)'):
        draw_bev(np.zeros((1, 60, 120)), ['drivable_area'], EGO_GRID, observed=np.ones((2, 2), bool))
    with pytest.raises(ValueError, match=r"bev_frame must be one of .*, got 'camera'"):
        turn_forward_up(np.zeros((2, 2)), 'camera')
    with pytest.raises(ValueError, match=r"bev_frame must be one of .*, got 'camera'"):
        to_picture_position(np.zeros(2), EGO_GRID, 1, 'camera')


@pytest.mark.parametrize('bev_frame', ['ego', 'lidar'])
def test_the_axes_stand_in_the_lower_left_corner(bev_frame):
    grid, _ = AHEAD_LEFT[bev_frame]
    empty = np.zeros((1, *grid.shape))
    dark = draw_bev(empty, ['drivable_area'], grid, bev_frame=bev_frame).min(-1) < 60
    assert dark[-70:, :70].sum() > 150  # arrows and words
    dark[-70:, :70] = False
    assert dark[:150].sum() == dark[210:].sum() == 0  # the vehicle alone is left
    # The upright arrow stands right of one that points left (y), and left of one that points right (x).
    columns = np.nonzero(draw_bev(empty, ['drivable_area'], grid, bev_frame=bev_frame)[-45:-25, :70].max(-1) < 60)[1]
    assert (columns.mean() > 25) == (bev_frame == 'ego')


def test_a_picture_without_room_has_no_axes():
    small = np.full((119, 200, 3), 200, np.uint8)
    draw_axes(small)
    assert (small == 200).all()
