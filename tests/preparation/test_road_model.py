"""The road of a drive over a crest:

  ____
/      \\____           z = 0.6 exp(-((s - 20) / 12)^2), driven along a bend
"""

import numpy as np
import pytest
import torch

from ssl_bev.geometry import rotation_z
from ssl_bev.preparation.road_from_points import fit_details, fit_points, lowest_points
from ssl_bev.preparation.road_model import RoadBelief, RoadModel
from ssl_bev.preparation.road_path import RoadPath

AHEAD = np.stack([np.linspace(-10, 20, 16), np.zeros(16)], 1)


def crest(s):
    return 0.6 * np.exp(-(((s - 20) / 12) ** 2))


def slope(s):
    return (crest(s + 0.1) - crest(s - 0.1)) / 0.2


def drive(planar, step=4.0, frames=11):
    """Poses along x; with the height and pitch of the road, or without as they are often published."""
    poses = np.tile(np.eye(4), (frames, 1, 1))
    poses[:, 0, 3] = step * np.arange(frames)
    if not planar:
        pitch = np.arctan(slope(poses[:, 0, 3]))
        poses[:, 0, 0], poses[:, 2, 0] = np.cos(pitch), np.sin(pitch)
        poses[:, 0, 2], poses[:, 2, 2] = -np.sin(pitch), np.cos(pitch)
        poses[:, 2, 3] = crest(poses[:, 0, 3])
    return poses


def ground(x, xy):
    """The height of the ground in the ego frame of a vehicle that stands at x, for small angles."""
    return crest(x + xy[:, 0]) - crest(x) - slope(x) * xy[:, 0] + 0.02 * xy[:, 1]


def test_along_and_beside_a_bend():
    """Along x to (10, 0), then along y to (10, 10)."""
    poses = np.tile(np.eye(4), (5, 1, 1))
    poses[:, :2, 3] = [[0, 0], [5, 0], [10, 0], [10, 5], [10, 10]]
    path = RoadPath(poses, 30.0)
    assert path.length == pytest.approx(80)
    points = np.array([[-40.0, 1], [4, -2], [8, 3], [12, 7], [9, 60], [10, 0]])
    along, beside = path.coordinates(points)
    np.testing.assert_allclose(along, [-10, 34, 43, 47, 100, 40], atol=1e-9)
    np.testing.assert_allclose(beside, [1, -2, 2, -2, 1, 0], atol=1e-9)


def test_a_vehicle_that_stands_still_looks_ahead():
    poses = np.tile(rotation_z(torch.tensor(np.pi / 2)).numpy().astype(float), (3, 1, 1))
    along, beside = RoadPath(poses, 10.0).coordinates(np.array([[0.0, 3], [-2, 5]]))
    np.testing.assert_allclose(along, [13, 15], atol=1e-6)
    np.testing.assert_allclose(beside, [0, 2], atol=1e-6)


def test_poses_alone_know_the_road_that_was_driven():
    poses = drive(planar=False)
    model = RoadModel(poses)
    for t in (0, 4, 6):
        expected = ground(poses[t, 0, 3], AHEAD) / np.cos(np.arctan(slope(poses[t, 0, 3]))) ** 2
        driven = AHEAD[:, 0] >= 0  # nobody was behind the first frame
        np.testing.assert_allclose((model.rows(t, AHEAD) @ model.mean)[driven], expected[driven], atol=0.05)
        assert np.abs(expected[driven]).max() > 0.05


def test_level_poses_say_that_the_road_is_even():
    model = RoadModel(drive(planar=True))
    np.testing.assert_allclose(model.rows(3, AHEAD) @ model.mean, 0, atol=1e-9)


def test_deviations_from_the_belief_are_as_likely_as_it_says():
    model = RoadModel(drive(planar=True, frames=3), RoadBelief(wheel=0.03))
    covariance = model.factor @ model.factor.T
    np.testing.assert_allclose(covariance @ model.precision, np.eye(model.size), atol=1e-5)
    wheel = model.rows(1, np.zeros((1, 2))) @ model.factor
    assert 0.01 < np.linalg.norm(wheel) <= 0.03


def test_the_lowest_point_of_each_square_metre():
    points = np.array([[0.2, 0.2, 1.5], [0.8, 0.6, 0.02], [0.5, 0.5, 0.9], [-0.5, 0.5, 0.3], [90, 0, 0]], np.float32)
    found = lowest_points(points)
    assert sorted(found[:, 2].round(2).tolist()) == [0.02, 0.3]


@pytest.fixture(scope='module')
def clouds():
    """Of a third of the frames: ground with a kerb of 0.12 m beyond y = 6, parked cars, noise. No point in [10, 14]."""
    generator = np.random.default_rng(0)
    clouds = []
    for t, pose in enumerate(drive(planar=True)):
        if t % 3:
            clouds.append(None)
            continue
        xy = generator.uniform([-30, -10], [30, 10], (3000, 2))
        z = ground(pose[0, 3], xy) + 0.12 * (xy[:, 1] > 6) + generator.normal(0, 0.01, len(xy))
        cars = (xy[:, 1] < -6) & (generator.random(len(xy)) < 0.5)
        z[cars] += generator.uniform(0.3, 1.5, cars.sum())
        clouds.append(lowest_points(np.c_[xy, z]))
    return clouds


def test_points_show_the_ground_below_what_stands_on_it(clouds):
    poses = drive(planar=True)
    model = RoadModel(poses)
    found = fit_points(model, clouds)
    for t in (0, 3, 4, 5, 9):  # 4 and 5 have no points of their own; wheels and neighbours place them
        error = model.rows(t, AHEAD) @ found - ground(poses[t, 0, 3], AHEAD)
        assert np.abs(error).max() < (0.04 if clouds[t] is not None else 0.12), t
    details, seen = fit_details(model, found, clouds)
    kerb, road = (details.rise(torch.tensor([[20.0, y]]).double()).item() for y in (8, 0))
    assert 0.06 < kerb - road < 0.14
    assert len(seen) > 2000


def test_beliefs_must_be_positive():
    with pytest.raises(ValueError, match='spring must be positive, got 0'):
        RoadBelief(spring=0)
