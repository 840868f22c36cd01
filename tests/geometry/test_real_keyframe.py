"""The geometry on a real nuScenes keyframe: two cameras that see the same ground must agree about it."""

import os
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ssl_bev.geometry import invert_rigid, project_points

FOLDER = Path(os.environ.get('SSL_BEV_SHARED', '../shared')) / 'data' / 'nuscenes_keyframe'
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f'no real keyframe in {FOLDER}; set SSL_BEV_SHARED')
ROAD, MARKING, CURB, TERRAIN = 13, 24, 2, 29


@pytest.fixture(scope='module')
def keyframe():
    with open(next(FOLDER.glob('*.pkl')), 'rb') as file:
        frame = pickle.load(file)['data_list'][0]
    lidar2ego = torch.tensor(frame['lidar_points']['lidar2ego'], dtype=torch.float64)
    cameras = {}
    for name, camera in frame['images'].items():
        intrinsics = torch.eye(4, dtype=torch.float64)
        intrinsics[:3, :3] = torch.tensor(camera['cam2img'], dtype=torch.float64)
        by_lidar = torch.tensor(camera['lidar2cam'], dtype=torch.float64) @ invert_rigid(lidar2ego)
        by_ego = invert_rigid(torch.tensor(camera['cam2ego'], dtype=torch.float64))
        image = cv2.imread(str(FOLDER / camera['img_path']), cv2.IMREAD_GRAYSCALE)
        labels = cv2.imread(str(FOLDER / 'labels' / f'{name}.png'), cv2.IMREAD_UNCHANGED)
        cameras[name] = dict(lidar2cam=intrinsics @ by_lidar, cam2ego=intrinsics @ by_ego, image=image, labels=labels)
    return cameras


STEP, SIDE = 0.05, 1000
SHARED_GROUND = [('CAM_FRONT', 'CAM_FRONT_RIGHT'), ('CAM_BACK_RIGHT', 'CAM_BACK'), ('CAM_FRONT_LEFT', 'CAM_FRONT')]


@pytest.fixture(scope='module')
def ground():
    """A raster of the road plane within 25 m."""
    axis = (torch.arange(SIDE, dtype=torch.float64) - SIDE / 2) * STEP
    x, y = torch.meshgrid(axis, axis, indexing='xy')
    return torch.stack([x, y, torch.zeros_like(x)], -1).flatten(0, 1)


def read(picture, pixels):
    """The values at pixel positions whose first pixel has its centre at (0.5, 0.5)."""
    columns, rows = (pixels[:, i].long().clamp(0, n - 1) for i, n in ((0, picture.shape[1]), (1, picture.shape[0])))
    return picture[rows, columns]


def from_above(camera, ground, which):
    """Grey values and labels of the ground raster, and where the camera shows it as ground."""
    pixels, _, visible = project_points(ground, camera[which], camera['image'].shape)
    labels = read(camera['labels'], pixels)
    grey = read(camera['image'], pixels).astype(np.float32).reshape(SIDE, SIDE)
    return grey, labels, (visible.numpy() & np.isin(labels, (ROAD, MARKING, CURB, TERRAIN))).reshape(SIDE, SIDE)


def details(grey, where):
    """Grey values less their neighbourhood of about a metre: exposure differs from camera to camera."""
    blur = lambda a: cv2.GaussianBlur(a, (0, 0), 0.5 / STEP)  # noqa: E731
    share = where.astype(np.float32)
    return (grey - blur(grey * share) / np.maximum(blur(share), 1e-3))[where]


def agreement(keyframe, ground, which):
    """Correlation of the details that neighbouring cameras see on the same ground, for each pair."""
    found = []
    for pair in SHARED_GROUND:
        (first, _, a), (second, _, b) = (from_above(keyframe[name], ground, which) for name in pair)
        found.append(np.corrcoef(details(first, a & b), details(second, a & b))[0, 1])
    return np.array(found)


def test_overlapping_cameras_agree_in_colour(keyframe, ground):
    by_lidar = agreement(keyframe, ground, 'lidar2cam')
    by_ego = agreement(keyframe, ground, 'cam2ego')
    assert (by_lidar > 0.55).all()
    assert (by_lidar > by_ego).all() and (by_lidar - by_ego).mean() > 0.04


def test_overlapping_cameras_agree_in_their_labels(keyframe, ground):
    same = total = 0
    for pair in SHARED_GROUND:
        (_, left, a), (_, right, b) = (from_above(keyframe[name], ground, 'lidar2cam') for name in pair)
        paint = (a & b).ravel() & ((left == MARKING) | (right == MARKING))
        same += int((left == right)[paint].sum())
        total += int(paint.sum())
    assert total > 100
    assert same / total > 0.7


def test_ignoring_the_ego_motion_costs_many_pixels(keyframe):
    """At about 15 m `cam2ego`, which mixes poses of different times, is off by 15 to 35 px in the front cameras."""
    points = dict(CAM_FRONT=(13, 5), CAM_FRONT_LEFT=(13, 8), CAM_FRONT_RIGHT=(13, -8))
    for name, (x, y) in points.items():
        point = torch.tensor([[x, y, 0]], dtype=torch.float64)
        right, wrong = (project_points(point, keyframe[name][m], (900, 1600))[0] for m in ('lidar2cam', 'cam2ego'))
        assert 12 < (right - wrong).norm() < 40
