import cv2
import numpy as np
import pytest
import torch
from forward_camera import BEV2IMG, IMAGE_SIZE, ROAD2BEV

from ssl_bev.geometry import BEVGrid, ground_homography, pixel_grid, pixels_to_ground, rotation_z
from ssl_bev.visualization.calibration_sheet import HELP, TILE_WIDTH, draw_calibration_sheet
from ssl_bev.visualization.canvas import text_width
from ssl_bev.visualization.ground_guides import AXES, HORIZON, draw_ground_guides, horizon_line
from ssl_bev.visualization.ground_mosaic import ground_mosaic

GRID = BEVGrid((-20, 20), (-20, 20), 0.25)
# The camera worked out by hand, five times as large: u = 400 - 500 y / x, v = 200 + 750 / x.
GREY = np.full((400, 800, 3), 90, np.uint8)
CAMERA = torch.diag(torch.tensor([5.0, 5.0, 1.0, 1.0])) @ BEV2IMG
# A hill that rises by 1 m in 10.
SLOPE = torch.eye(4)
SLOPE[:3, :3] = torch.tensor([[1, 0, -0.1], [0, 1.01**0.5, 0], [0.1, 0, 1]]) / 1.01**0.5


def test_the_horizon_is_where_level_ground_ends():
    """By hand: v = 200; on the slope, which goes on in the direction (1, 0, 0.1), v = 200 - 500 * 0.1."""
    for road, expected in ((ROAD2BEV, 200), (SLOPE, 150)):
        a, b, c = horizon_line(CAMERA.double(), road.double()).tolist()
        assert a == pytest.approx(0, abs=1e-9)
        assert -c / b == pytest.approx(expected)
        picture = draw_ground_guides(GREY, CAMERA, road)
        # The rows of pixels on both sides of the line, and nothing above it but the axes in the middle.
        assert (picture[expected - 1 : expected + 1, 50] == HORIZON).all()
        assert (picture[: expected - 3, :300] == 90).all()


def test_the_horizon_of_a_camera_on_its_side():
    """It turns the picture by a quarter: u = 600 - v of the upright one, v = u - 200."""
    turned = torch.tensor([[0.0, -1, 600, 0], [1, 0, -200, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    picture = draw_ground_guides(GREY, turned @ CAMERA, ROAD2BEV)
    assert (picture[20, 399:401] == HORIZON).all()


def test_lines_and_axes_lie_on_the_ground():
    """10 m ahead is v = 275; 8 m ahead v = 293.75, where the line 5 m to the left is at u = 87.5."""
    picture = draw_ground_guides(GREY, CAMERA, ROAD2BEV).astype(int)
    changed = np.abs(picture - 90).max(-1) > 25
    assert changed[274:276, 100:300].all()
    assert changed[293, 85:90].any()
    assert not changed[293, 95:250].any()
    # Red forward, green left, blue up: the axes stand 6 m ahead of the camera and are 2 m long.
    places = {name: np.argwhere((picture == colour).all(-1)) for name, colour in AXES.items()}
    up, left, forward = (places[name] for name in ('z up', 'y left', 'x forward'))
    assert up.min(0)[0] < 200 + 750 / 6 - 500 * 2 / 6 + 5
    assert left.min(0)[1] == pytest.approx(400 - 500 * 2 / 6, abs=30)
    assert forward.min(0)[0] > up.min(0)[0]


def pattern(xy):
    """Smooth stripes over the ground, grey values."""
    x, y = xy[..., 0], xy[..., 1]
    return (128 + 60 * torch.sin(x / 1.5) + 60 * torch.sin(y / 1.2)).clamp(0, 255)


def seen(bev2img, size):
    """What a camera sees of the pattern."""
    pixels = pixel_grid(size, dtype=torch.float64).flatten(0, 1)
    xy, _, below = pixels_to_ground(pixels, ground_homography(bev2img.double(), ROAD2BEV.double()))
    grey = torch.where(below, pattern(xy), torch.zeros(1)).reshape(size).numpy().round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, 2)


@pytest.fixture
def rig():
    """A camera forward and one 60 degrees to the left, of twice the size; they overlap."""
    large = torch.diag(torch.tensor([4.0, 4.0, 1.0, 1.0]))
    left = torch.diag(torch.tensor([8.0, 8.0, 1.0, 1.0])) @ BEV2IMG @ rotation_z(torch.tensor(-torch.pi / 3))
    bev2img = torch.stack([large @ BEV2IMG, left])
    sizes = [tuple(4 * s for s in IMAGE_SIZE), tuple(8 * s for s in IMAGE_SIZE)]
    return bev2img, [seen(matrix, size) for matrix, size in zip(bev2img, sizes, strict=True)]


def test_the_mosaic_shows_the_ground(rig):
    bev2img, images = rig
    mosaic, camera = ground_mosaic(images, bev2img, ROAD2BEV, GRID)
    assert mosaic.shape == (*GRID.shape, 3) and camera.shape == GRID.shape
    centers = GRID.cell_centers()
    near = (centers.norm(dim=-1).numpy() < 12) & (camera >= 0)
    error = np.abs(mosaic[..., 0].astype(float) - pattern(centers).numpy())
    assert near.sum() > 1000 and error[near].max() < 12
    assert (mosaic[camera < 0] == 120).all()
    assert camera[80, 40] == -1  # behind
    row, column = 80, 120
    assert camera[row, column] == 0  # 10 m ahead
    assert camera[80 + 35, 80 + 20] == 1  # 60 degrees to the left


def test_a_camera_that_is_nowhere_the_nearest_leaves_the_mosaic_as_it_is(rig):
    bev2img, images = rig
    alone, camera = ground_mosaic(images, bev2img, ROAD2BEV, GRID)
    both = ground_mosaic([*images, images[0] // 2], torch.cat([bev2img, bev2img[:1]]), ROAD2BEV, GRID)
    assert (both[0] == alone).all() and (both[1] == camera).all()


def test_a_wrong_calibration_shows_in_its_camera_alone(rig):
    bev2img, images = rig
    turned = bev2img.clone()
    turned[1] = turned[1] @ rotation_z(torch.tensor(0.05))
    right, camera = ground_mosaic(images, bev2img, ROAD2BEV, GRID)
    wrong, other = ground_mosaic(images, turned, ROAD2BEV, GRID)
    near = GRID.cell_centers().norm(dim=-1).numpy() < 12
    both = near & (camera == other)
    difference = np.abs(right.astype(float) - wrong).max(-1)
    assert difference[both & (camera == 0)].max() == 0
    assert difference[both & (camera == 1)].mean() > 10


def test_the_help_fits_below_a_single_camera():
    assert max(text_width(line, 13) for line in HELP) <= TILE_WIDTH


@pytest.mark.parametrize('count', [1, 8])
def test_sheets_of_any_rig(count):
    sizes = [(60 + 10 * (n % 3), 120 + 20 * (n % 2)) for n in range(count)]
    scale = [torch.diag(torch.tensor([w / 160, h / 80, 1.0, 1.0])) for h, w in sizes]
    bev2img = torch.stack([s @ BEV2IMG @ rotation_z(torch.tensor(-0.8 * n)) for n, s in enumerate(scale)])
    images = [np.full((h, w, 3), 60, np.uint8) for h, w in sizes]
    names = [f'camera{n}' for n in range(count)]
    sheet = draw_calibration_sheet(images, names, bev2img, ROAD2BEV, 'title', BEVGrid((-10, 10), (-8, 8), 0.1))
    assert sheet.dtype == np.uint8 and sheet.shape[2] == 3
    assert sheet.shape[1] < (1 if count == 1 else 3) * 648 + 2 * 168 + 20
    for image in images:
        assert (image == 60).all()
    assert cv2.imencode('.png', sheet)[0]
