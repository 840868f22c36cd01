"""Labels of a hilly world carried to the ground, and its map drawn on it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from shapely.geometry import Polygon
from test_rasterize import map_of

from ssl_bev.datasets.calibration import frame_cameras, frame_poses, frame_road
from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.geometry import BEVGrid, Road, pixel_grid, pixels_on_road
from ssl_bev.preparation.accumulate_scene import accumulate_scene, crop_frame
from ssl_bev.preparation.map_geometry import ClassSpec
from ssl_bev.preparation.map_ground import MapGround
from ssl_bev.preparation.rasterize import MapRasterizer
from ssl_bev.pseudo_labels import PseudoLabelWriter
from ssl_bev.pseudo_labels.target_reader import TargetReader

HEIGHTS = BEVGrid((-30, 30), (-20, 20), 2.0)
GRID = BEVGrid((2, 14), (-4, 4), 0.5)
SIZE = (48, 96)


def dip(x, y):
    return -0.003 * x**2 + 0.03 * y


def ground():
    """A frame that is tilted by 0.06 in the world, and a road with heights in it."""
    pose = np.eye(4)
    pose[:3, :3] = [[np.cos(0.06), 0, np.sin(0.06)], [0, 1, 0], [-np.sin(0.06), 0, np.cos(0.06)]]
    pose[:2, 3] = [100, 50]
    heights = dip(*HEIGHTS.cell_centers().double().unbind(-1))
    return pose, Road(torch.eye(4).double(), heights, HEIGHTS)


def test_to_the_map_and_back():
    pose, road = ground()
    on_map = MapGround(pose, road)
    xy = GRID.cell_centers().double().numpy().reshape(-1, 2)
    points = np.c_[xy, road.rise(torch.from_numpy(xy)).numpy(), np.ones(len(xy))] @ pose.T
    np.testing.assert_allclose(on_map.to_map(xy), points[:, :2], atol=1e-9)
    np.testing.assert_allclose(on_map.to_bev(points[:, :2]), xy, atol=5e-3)
    plane = MapGround(pose, road.road2bev.numpy()).to_map(xy)
    assert np.abs(plane - points[:, :2]).max() > 0.02


def test_a_map_is_drawn_where_its_ground_lies():
    pose, road = ground()
    square = Polygon([(104, 48), (108, 48), (108, 52), (104, 52)])
    fine = BEVGrid(GRID.x_range, GRID.y_range, 0.05)
    drawn = MapRasterizer(map_of(square), fine, [ClassSpec('c', ['walkway'])])(pose, road)[0]
    points = MapGround(pose, road).to_map(fine.cell_centers().double().numpy())
    expected = ((points > [104, 48]) & (points < [108, 52])).all(-1)
    assert expected.sum() > 5000 and (drawn != expected).sum() < 0.01 * expected.sum()


@pytest.fixture(scope='module')
def hilly(tiny_data, tmp_path_factory):
    """A frame whose cameras see a road with an edge and paint on ground that dips; and the same with its road."""
    (frame,) = read_info_file(tiny_data / 'ssl_bev_infos_train.pkl')['data_list'][:1]
    heights = dip(*HEIGHTS.cell_centers().double().unbind(-1)).numpy()
    knows = {**frame, 'road': {'road2ego': np.eye(4), 'heights': heights, 'grid': HEIGHTS}}
    root = tmp_path_factory.mktemp('hilly')
    pixels = pixel_grid(SIZE, dtype=torch.float64).flatten(0, 1)
    with PseudoLabelWriter(root, 'painter', 'a' * 64, ['Road', 'Lane Marking - General', 'Sky']) as writer:
        cam2img, ego2cam = frame_cameras(frame, list(frame['images']), 'ego')
        for n, (camera, image) in enumerate(frame['images'].items()):
            bev2img = torch.from_numpy(cam2img[n] @ ego2cam[n])[None]
            xy, _, valid = pixels_on_road(pixels, bev2img, frame_road(knows, 'ego')[None])
            ids = np.where(valid[0], np.where(paint(xy[0].numpy()), 1, 0), 2).astype(np.uint8).reshape(SIZE)
            writer.write(camera, Path(image['img_path']).stem, ids, np.full(SIZE, 255, np.uint8))
    return frame, knows, TargetReader(root, 'mapillary_v1', ['marking'])


def paint(xy):
    """Bars across the road, 2 m wide."""
    return xy[..., 0] % 4 < 2


def test_labels_are_carried_to_the_ground_that_is_there(hilly):
    frame, knows, labels = hilly
    centers = GRID.cell_centers().numpy()
    wrong = []
    for each in (frame, knows):
        probability, weight = crop_frame(accumulate_scene([each], labels, 0.25, 16.0), knows, GRID)
        seen = (weight[0] > 0.5) & (np.abs((centers[..., 0] + 1) % 2 - 1) > 0.6)
        assert seen.mean() > 0.2
        wrong.append(((probability[0] > 0.5) != paint(centers))[seen].mean())
    assert wrong[0] > 0.15 and wrong[1] < 0.03


def test_a_road_of_no_height_changes_nothing(hilly):
    frame, knows, labels = hilly
    flat = {**frame, 'road': {**knows['road'], 'heights': np.zeros(HEIGHTS.shape)}}
    plain, level = (accumulate_scene([each], labels, 0.25, 16.0).evidence.votes for each in (frame, flat))
    np.testing.assert_allclose(plain, level, atol=1e-5)
    assert np.array_equal(frame_poses(flat, 'ego')[1], frame_poses(frame, 'ego')[1])
