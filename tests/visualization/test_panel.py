import cv2
import numpy as np
import pytest
import torch
from forward_camera import BEV2IMG, GRID, IMAGE_SIZE, ROAD2BEV, bev_rectangle

from ssl_bev.geometry import BEVGrid
from ssl_bev.visualization.panel import NUSCENES_PLACES, camera_places, draw_panel

SHUFFLED = ['CAM_BACK', 'CAM_FRONT', 'CAM_FRONT_RIGHT', 'CAM_BACK_LEFT', 'CAM_FRONT_LEFT', 'CAM_BACK_RIGHT']
COLOURS = [(250, 10, 10), (10, 250, 10), (10, 10, 250), (250, 250, 10), (250, 10, 250), (10, 250, 250)]
NOTHING = torch.zeros(1, *GRID.shape)


def plain_images(size=IMAGE_SIZE):
    return [np.full((*size, 3), colour, np.uint8) for colour in COLOURS]


def place_of(panel: np.ndarray, colour: tuple[int, int, int]) -> tuple[float, float]:
    rows, columns = np.nonzero((panel == colour).all(-1))
    return rows.mean(), columns.mean()


def panel_of(names=SHUFFLED, **options) -> np.ndarray:
    options = {'probabilities': NOTHING, 'classes': ['drivable'], **options}
    images = options.pop('images', plain_images()[: len(names)])
    return draw_panel(images, names, grid=GRID, bev2img=BEV2IMG.expand(len(names), 4, 4), road=ROAD2BEV, **options)


def test_six_cameras_stand_as_they_look_out_of_the_vehicle():
    panel = panel_of()
    places = {name: place_of(panel, colour) for name, colour in zip(SHUFFLED, COLOURS, strict=True)}
    for side in ('FRONT', 'BACK'):
        left, middle, right = (places[f'CAM_{side}{suffix}'] for suffix in ('_LEFT', '', '_RIGHT'))
        assert left[1] < middle[1] < right[1]
        assert left[0] == pytest.approx(right[0], abs=5)
    assert places['CAM_FRONT'][0] < places['CAM_BACK'][0]


def test_another_rig_is_ordered_by_name():
    assert camera_places(['rear', 'front', 'left', 'right']) == ([1, 2, 0, 3], 3)
    assert camera_places(['front', 'aft']) == ([1, 0], 2)
    assert camera_places(NUSCENES_PLACES) == ([0, 1, 2, 3, 4, 5], 3)
    panel = panel_of(['front', 'aft'])
    assert place_of(panel, COLOURS[1])[1] < place_of(panel, COLOURS[0])[1]


def test_the_overlay_follows_the_resized_tile():
    patch = bev_rectangle((9, 11), (1, 3))  # at u = 60, v = 55 of the 160 x 80 image
    image = np.full((*IMAGE_SIZE, 3), 90, np.uint8)
    options = {'images': [image], 'tile_width': 320, 'classes': ['marking']}
    without, painted = (panel_of(['front'], probabilities=p, **options) for p in (NOTHING, patch))
    columns_of_camera = slice(0, 340)  # gap and tile; the BEV picture lies to the right
    changed = np.abs(painted.astype(int) - without)[:, columns_of_camera].max(-1) > 40
    tile_rows, tile_columns = np.nonzero((without[:, columns_of_camera] == 90).all(-1))
    rows, columns = np.nonzero(changed)
    assert rows.mean() - tile_rows.min() == pytest.approx(2 * 55, abs=2)
    assert columns.mean() - tile_columns.min() == pytest.approx(2 * 60, abs=4)


def test_the_truth_stands_beside_the_prediction():
    truth = np.zeros((2, *GRID.shape), np.uint8)
    truth[1] = 1
    truth[:, :, :10] = 255
    alone = panel_of()
    both = panel_of(truth=truth, truth_classes=['drivable', 'stop_line'])
    assert both.shape[1] > alone.shape[1] + 200
    yellow = (np.array((0x42, 0xE4, 0xF0)) == both).all(-1)
    assert yellow[:, alone.shape[1] :].sum() > 20_000
    assert not yellow[:, : alone.shape[1]].sum() > 20_000


def test_a_truth_of_finer_cells_needs_its_grid():
    fine = GRID.with_cell_size(0.125)
    truth = np.zeros((1, *fine.shape), np.uint8)
    assert panel_of(truth=truth, truth_classes=['drivable'], truth_grid=fine).ndim == 3
    with pytest.raises(ValueError, match='probabilities must have the shape'):
        panel_of(truth=truth, truth_classes=['drivable'])


def test_the_lidar_frame_turns_the_other_way():
    grid = BEVGrid((-10, 10), (-20, 20), 0.25)
    panel = draw_panel(
        plain_images()[:1], ['front'], np.ones((1, *grid.shape)), ['stop_line'], grid, BEV2IMG[None].numpy(),
        np.eye(4, dtype=np.float32), bev_frame='lidar', title='t',
    )  # fmt: skip
    rows, columns = np.nonzero((np.array((0x42, 0xE4, 0xF0)) == panel).all(-1))
    columns = columns[columns > panel.shape[1] // 2]
    assert np.ptp(rows) > 1.5 * np.ptp(columns)


def test_deterministic_and_readable_by_opencv():
    first, second = panel_of(title='token'), panel_of(title='token')
    assert (first == second).all()
    assert cv2.imdecode(cv2.imencode('.png', first)[1], cv2.IMREAD_COLOR).shape == first.shape


def test_numbers_of_cameras_must_agree():
    with pytest.raises(ValueError, match='one entry per camera, got 1, 6 and 6'):
        panel_of(images=plain_images()[:1])
