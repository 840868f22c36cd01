"""Labels of a drive towards a dip: on the plane of the wheels they do not lie on each other."""

import numpy as np
import pytest
import torch

from ssl_bev.geometry import BEVGrid, Road, pixel_grid, pixels_on_road
from ssl_bev.preparation.road_from_labels import LabelAgreement, LabelImage, fit_labels
from ssl_bev.preparation.road_model import RoadModel

SIZE = (90, 160)
HEIGHTS = BEVGrid((-10, 60), (-20, 20), 1.0)
AHEAD = np.stack([np.linspace(4, 24, 6), np.zeros(6)], 1)


def camera():
    """1.5 m above the ego origin, f = 130 pixels, looking ahead."""
    cam2img = torch.tensor([[130.0, 0, 80, 0], [0, 130, 35, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    return cam2img @ torch.tensor([[0.0, -1, 0, 0], [0, 0, -1, 1.5], [1, 0, 0, 0], [0, 0, 0, 1]])


def dip(s):
    """Level at first, then falling by up to 0.5 m."""
    return -0.25 * (1 + np.tanh((s - 22) / 8))


def ground(x, xy):
    slope = (dip(x + 0.1) - dip(x - 0.1)) / 0.2
    return dip(x + xy[..., 0]) - dip(x) - slope * xy[..., 0]


def paint(xy):
    """A zebra, dashes and an arrow on a road 8 m wide; the second class is the road."""
    x, y = xy[..., 0], xy[..., 1]
    zebra = (np.abs(x - 30) < 2) & (np.abs(y) < 4) & (y % 1.2 < 0.6)
    dashes = (np.abs(y) < 0.15) & (x % 6 < 3)
    arrow = (np.abs(y - 2) < 0.5) & (np.abs(x - 18) < 1.5)
    return np.stack([zebra | dashes | arrow, np.abs(y) < 4 + (np.abs(x - 24) < 1)])


@pytest.fixture(scope='module')
def views():
    """Poses without height or tilt, and what the camera sees from each."""
    poses = np.tile(np.eye(4), (4, 1, 1))
    poses[:, 0, 3] = [0, 5, 10, 15]
    images = []
    pixels = pixel_grid(SIZE).flatten(0, 1)
    for pose in poses:
        heights = torch.from_numpy(ground(pose[0, 3], HEIGHTS.cell_centers().numpy()))
        road = Road(torch.eye(4)[None], heights.float()[None], HEIGHTS)
        xy, _, valid = pixels_on_road(pixels, camera()[None], road)
        shares = torch.from_numpy(paint(xy[0].numpy() + pose[:2, 3])) & valid[0]
        maps = torch.cat([shares, valid.expand(2, -1)]).float().view(4, *SIZE)
        images.append([LabelImage(maps, camera())])
    return poses, images


def test_labels_agree_on_the_road_that_is_there(views):
    poses, images = views
    model = RoadModel(poses)
    found, report = fit_labels(model, images)
    errors = []
    for t in range(len(poses)):
        truth = ground(poses[t, 0, 3], AHEAD)
        errors.append([np.abs(model.rows(t, AHEAD) @ x - truth).max() for x in (model.mean, found)])
    flat, fitted = np.mean(errors, 0)
    assert flat > 0.25 and fitted < 0.6 * flat
    assert report['disagreement_labels'] < 0.3 * report['disagreement_poses']


def test_agreement_does_not_hang_on_the_scale(views):
    """A class that is nowhere says nothing; the same labels in all frames at one place agree."""
    poses, images = views
    still = np.tile(poses[:1], (3, 1, 1))
    agreement = LabelAgreement(RoadModel(still), [images[0]] * 3, 0.5)
    vector = torch.zeros(RoadModel(still).size)
    shares, area = agreement(vector, 0.5)
    assert (shares < 0.01).all() and area > 50
    nothing = [[LabelImage(torch.cat([torch.zeros(2, *SIZE), image.maps[2:]]), image.ego2img)] for (image,) in images]
    shares, _ = LabelAgreement(RoadModel(poses), nothing, 0.5)(torch.zeros(RoadModel(poses).size), 0.5)
    assert shares.tolist() == [1, 1]
