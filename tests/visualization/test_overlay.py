import numpy as np
import pytest
import torch
from forward_camera import BEV2IMG, GRID, IMAGE_SIZE, ROAD2BEV, bev_rectangle

from ssl_bev.geometry import BEVGrid, Road
from ssl_bev.visualization.overlay import draw_overlay, reproject_to_image

# Road from 9 to 11 m ahead, 1 to 3 m to the left: v from 53.6 to 56.7, u around 80 - 100 * 2 / 10 = 60.
PATCH = bev_rectangle((9, 11), (1, 3))
PAINTED_V, PAINTED_U = 55, 60


def test_a_patch_lands_where_the_hand_worked_projection_says():
    sampled, valid = reproject_to_image(PATCH, GRID, BEV2IMG, ROAD2BEV, IMAGE_SIZE)
    assert sampled.shape == (1, *IMAGE_SIZE) and valid.shape == IMAGE_SIZE
    rows, columns = np.nonzero(sampled[0].numpy() > 0.5)
    assert sampled[0, PAINTED_V, PAINTED_U] == pytest.approx(1.0)
    assert rows.min() >= 53 and rows.max() <= 57
    assert columns.min() >= 80 - 100 * 3 / 9 - 2 and columns.max() <= 80 - 100 * 1 / 11 + 2


@pytest.mark.parametrize('height', [0.0, -0.5])
def test_the_ground_may_have_heights(height):
    """They come in single precision; ground that lies deeper is seen further down in the image."""
    area = BEVGrid((-40, 40), (-40, 40), 40)
    road = Road(ROAD2BEV, torch.full(area.shape, height), area)
    sampled, _ = reproject_to_image(PATCH, GRID, BEV2IMG, road, IMAGE_SIZE)
    flat, _ = reproject_to_image(PATCH, GRID, BEV2IMG, ROAD2BEV, IMAGE_SIZE)
    rows, flat_rows = (np.nonzero(image[0].numpy() > 0.5)[0].mean() for image in (sampled, flat))
    assert rows - flat_rows == pytest.approx(-height * 100 / 10, abs=0.6)  # a focal length of 100 pixels, 10 m away


def test_valid_ends_at_the_horizon_and_at_the_grid():
    _, valid = reproject_to_image(PATCH, GRID, BEV2IMG, ROAD2BEV, IMAGE_SIZE)
    assert not valid[:40].any()  # above the horizon
    # 20 m ahead lies at v = 47.5, and the grid ends there.
    assert not valid[40:47, 80].any() and valid[48:, 80].all()


def test_only_valid_pixels_change_and_the_image_is_kept():
    image = np.full((*IMAGE_SIZE, 3), 90, np.uint8)
    painted = draw_overlay(image, PATCH, ['marking'], GRID, BEV2IMG, ROAD2BEV)
    assert (image == 90).all()
    assert (painted[:40] == 90).all()
    assert np.abs(painted[PAINTED_V, PAINTED_U].astype(int) - 90).max() > 50
    assert (painted[PAINTED_V, 160 - PAINTED_U] == 90).all()  # the mirrored place, to the right


def test_a_camera_that_looks_at_the_sky_is_left_alone():
    upwards = BEV2IMG.clone()
    upwards[1] += 100 * BEV2IMG[2]  # the horizon 100 pixels lower: below the image
    image = np.full((*IMAGE_SIZE, 3), 90, np.uint8)
    everywhere = torch.ones(1, *GRID.shape)
    assert (draw_overlay(image, everywhere, ['marking'], GRID, upwards, ROAD2BEV) == image).all()
    assert not (draw_overlay(image, everywhere, ['marking'], GRID, BEV2IMG, ROAD2BEV) == image).all()
