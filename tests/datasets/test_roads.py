"""Frames that know where their ground is."""

import json

import numpy as np
import pytest
import torch

from ssl_bev.datasets import NuScenesBEVDataset
from ssl_bev.datasets.calibration import frame_poses, frame_road, window_calibration
from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.datasets.road_files import RoadReader, add_roads, road_path, start_folder, write_road
from ssl_bev.datasets.windows import flatten_frames
from ssl_bev.geometry import BEVGrid, Road
from ssl_bev.structures import CameraRig

GRID = BEVGrid((-30, 30), (-20, 20), 2.0)
PIPELINE = [
    {'type': 'LoadBEVImages'},
    {'type': 'BEVFlipRotate', 'flip_y': 1.0},
    {'type': 'PackBEVInputs'},
]


def tilted(pitch):
    road2ego = np.eye(4)
    road2ego[0, 0] = road2ego[2, 2] = np.cos(pitch)
    road2ego[0, 2], road2ego[2, 0] = np.sin(pitch), -np.sin(pitch)
    return road2ego


def hill(scale=1.0):
    x, y = GRID.cell_centers().numpy().transpose(2, 0, 1)
    return scale * 0.001 * (x**2 + 10 * y)


def make_folder(folder, frames, pitch=0.0, scale=0.0, with_heights=True):
    start_folder(folder, dict(x_range=GRID.x_range, y_range=GRID.y_range, cell_size=GRID.cell_size))
    for frame in frames:
        write_road(folder, frame['token'], tilted(pitch), hill(scale) if with_heights else None)
    return folder


@pytest.fixture
def frames(tiny_data):
    return flatten_frames(read_info_file(tiny_data / 'ssl_bev_infos_train.pkl')['data_list'], False)


def build(tiny_data, tiny_root, **arguments):
    settings = dict(pipeline=PIPELINE, data_root=str(tiny_root), info_root=str(tiny_data), with_labels=False)
    return NuScenesBEVDataset(ann_file='ssl_bev_infos_train.pkl', **(settings | arguments))


@pytest.mark.parametrize('bev_frame', ['ego', 'lidar'])
def test_the_road_of_a_frame_in_either_bev_frame(frames, tmp_path, bev_frame):
    folder = make_folder(tmp_path / 'roads', frames, pitch=0.03, scale=1.0)
    (frame,) = add_roads(frames[:1], folder)
    lidar2ego = np.array(frame['lidar_points']['lidar2ego'])
    expected = tilted(0.03) if bev_frame == 'ego' else np.linalg.inv(lidar2ego) @ tilted(0.03)
    road = frame_road(frame, bev_frame)
    np.testing.assert_allclose(frame_poses(frame, bev_frame)[1], expected, atol=1e-12)
    np.testing.assert_allclose(road.road2bev, expected, atol=1e-12)
    np.testing.assert_allclose(road.heights, hill(), atol=1e-6)
    assert frame_road(frames[0], 'ego').is_plane and 'road' not in frames[0]


def test_a_dataset_with_roads(tiny_data, tiny_root, frames, tmp_path):
    """Heights stay what they are when the BEV frame is mirrored; the pose of the road turns."""
    plain = build(tiny_data, tiny_root, num_frames=2)[1]['data_samples']
    folder = make_folder(tmp_path / 'roads', frames, pitch=0.03, scale=1.0)
    sample = build(tiny_data, tiny_root, num_frames=2, roads=str(folder))[1]['data_samples']
    assert 'road_heights' not in plain and torch.equal(plain.bev2img, sample.bev2img)
    mirror = np.diag([1.0, -1, 1, 1])
    np.testing.assert_allclose(sample.road2bev, np.stack([mirror @ tilted(0.03)] * 2), atol=1e-6)
    np.testing.assert_allclose(sample.road_heights, np.stack([hill()] * 2), atol=1e-6)
    assert sample.road_grid == GRID

    rig = CameraRig.from_data_samples([sample, plain])  # one that knows its road beside one that does not
    assert rig.frame(1).road.heights.shape == (2, *GRID.shape)
    assert rig.frame(1).road.heights[1].abs().max() == 0
    assert torch.equal(rig.road.road2bev[1], plain.road2bev)
    assert CameraRig.from_data_samples([plain]).known_road is None


def test_roads_that_are_planes(tiny_data, tiny_root, frames, tmp_path):
    folder = make_folder(tmp_path / 'roads', frames, pitch=0.03, with_heights=False)
    sample = build(tiny_data, tiny_root, roads=str(folder))[0]['data_samples']
    rig = CameraRig.from_data_samples([sample])
    assert sample.road_heights.shape == (1, 0, 0)
    assert rig.known_road is not None and rig.road.is_plane


def test_an_info_file_may_say_where_the_road_is(frames):
    frame = {**frames[0], 'road': {'road2ego': tilted(0.02).tolist()}}
    matrices = window_calibration([frame, frames[1]], ['CAM_FRONT'], 'ego')
    np.testing.assert_allclose(matrices['road2bev'], [tilted(0.02), np.eye(4)])
    assert matrices['road_heights'].shape == (2, 0, 0) and matrices['road_grid'] is None
    assert 'road_heights' not in window_calibration(frames[:1], ['CAM_FRONT'], 'ego')


def test_the_road_of_another_moment():
    """A frame 5 m behind saw its road fall. Published poses lack the climb, so the road is carried along x only."""
    poses = torch.eye(4, dtype=torch.float64).repeat(1, 2, 1, 1)
    poses[0, 1, 0, 3] = 5
    road = Road(torch.tensor(np.stack([tilted(0.05), np.eye(4)]), dtype=torch.float32)[None])
    rig = CameraRig(torch.eye(4).repeat(1, 2, 1, 1, 1), poses, road.road2bev, None, None, (8, 8), road)
    seen = rig.road_of(0, 1)  # the first frame's road, in the second's BEV frame
    expected = np.eye(4)
    expected[0, 3] = -5
    np.testing.assert_allclose(seen.road2bev[0], expected @ tilted(0.05), atol=1e-6)


def test_errors_name_file_frame_and_what_to_do(tiny_data, tiny_root, frames, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'manifest of roads not found: .*estimate_road.py'):
        build(tiny_data, tiny_root, roads=str(tmp_path / 'none'))
    folder = make_folder(tmp_path / 'roads', frames[:1])
    with pytest.raises(FileNotFoundError, match=rf'road not found: .*\(frame {frames[1]["token"]}\); make it with'):
        build(tiny_data, tiny_root, roads=str(folder))[1]
    path = road_path(folder, frames[0]['token'])
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r'road .* is broken .*; delete it and run tools/estimate_road.py'):
        RoadReader(folder)(frames[0])
    write_road(folder, frames[0]['token'], np.eye(4), np.zeros((3, 4)))
    with pytest.raises(
        ValueError, match=r'heights \(0, 0\) or \(20, 30\) as its manifest says, got \(4, 4\) and \(3, 4'
    ):
        RoadReader(folder)(frames[0])
    write_road(folder, frames[0]['token'], np.full((4, 4), np.nan))
    with pytest.raises(ValueError, match='must hold finite numbers; delete it'):
        RoadReader(folder)(frames[0])
    (folder / 'manifest.json').write_text(json.dumps({'x_range': [0, 1]}))
    with pytest.raises(ValueError, match=r"manifest of roads .* must have the key 'y_range'"):
        RoadReader(folder)
    two = [
        {'road': {'road2ego': np.eye(4), 'heights': hill(), 'grid': grid}}
        for grid in (GRID, BEVGrid((0, 1), (0, 1), 1))
    ]
    two = [{**frames[0], **road} for road in two]
    with pytest.raises(ValueError, match='roads of a window must have one grid'):
        window_calibration(two, ['CAM_FRONT'], 'ego')
