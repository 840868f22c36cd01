"""The whole data side on a small synthetic nuScenes: map labels, pseudo-labels and calibration mean the same ground."""

import numpy as np
import pytest
import shapely
import torch

from ssl_bev.datasets import (
    BEVFlipRotate,
    LoadAccumulatedTargets,
    LoadBEVImages,
    LoadBEVMasks,
    LoadPseudoLabels,
    NuScenesBEVDataset,
    PackBEVInputs,
    ResizeCropFlipImages,
)
from ssl_bev.datasets.calibration import frame_poses
from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.geometry import ground_homography, pixel_grid, pixels_to_ground, sample_bev
from ssl_bev.preparation.accumulate_dataset import Accumulation, accumulate_dataset
from ssl_bev.preparation.create_infos import DEFAULT_GRID, create_data
from ssl_bev.preparation.map_ground import MapGround
from ssl_bev.targets import is_positive

IMAGE_SIZE = (48, 160)


@pytest.fixture(scope='module')
def synthetic_data(synthetic_root, tmp_path_factory):
    out = tmp_path_factory.mktemp('synthetic_data')
    counts = create_data(synthetic_root, 'v1.0-mini', out, show_progress=False)
    assert sum(counts.values()) == 6
    return out


@pytest.fixture(scope='module')
def lidar_data(synthetic_root, tmp_path_factory):
    out = tmp_path_factory.mktemp('lidar_data')
    create_data(synthetic_root, 'v1.0-mini', out, bev_frame='lidar', show_progress=False)
    return out


def build(synthetic_root, synthetic_data, **arguments):
    pipeline = [
        LoadBEVImages(),
        LoadBEVMasks(),
        ResizeCropFlipImages(IMAGE_SIZE, resize=(1, 1.2), crop_x='random', flip_prob=0.5, per_camera=True),
        LoadPseudoLabels(str(synthetic_root / 'oracle'), 'mapillary_v2', stride=2),
        BEVFlipRotate(flip_x=0.5, flip_y=0.5),
        PackBEVInputs(),
    ]
    folders = {'data_root': str(synthetic_root), 'info_root': str(synthetic_data)}
    return NuScenesBEVDataset('ssl_bev_infos_train.pkl', pipeline, **folders, **arguments)


@pytest.mark.parametrize(
    ('seed', 'bev_frame'), [(0, 'ego'), (1, 'ego'), (2, 'ego'), (3, 'ego'), (4, 'lidar'), (5, 'lidar')]
)
def test_pseudo_labels_lie_where_the_map_has_them(synthetic_root, synthetic_data, lidar_data, seed, bev_frame):
    """Under all augmentations, the oracle's road falls on drivable cells, and its paint mostly on mapped lines."""
    np.random.seed(seed)  # noqa: NPY002  (what data workers seed)
    data = synthetic_data if bev_frame == 'ego' else lidar_data
    sample = build(synthetic_root, data, num_frames=2, bev_frame=bev_frame)[seed % 3]['data_samples']
    homography = ground_homography(sample.bev2img[-1], sample.road2bev[-1:])
    pixels = pixel_grid(IMAGE_SIZE, 2).flatten(0, 1)
    xy, _, below_horizon = pixels_to_ground(pixels.expand(6, -1, 2), homography)
    target = sample.pseudo_target[-1].flatten(2)
    known = below_horizon & DEFAULT_GRID.contains(xy) & (target[:, 0] != 255) & (xy.norm(dim=-1) < 15)
    cells = sample.gt_bev_seg[None].float()
    at_pixels = sample_bev(cells, DEFAULT_GRID, xy.reshape(1, 1, -1, 2), 'nearest').reshape(5, *known.shape) > 0.5

    drivable, road = at_pixels[0][known], is_positive(target[:, 0])[known]
    assert (drivable & road).sum() / (drivable | road).sum() > 0.95

    lines, paint = at_pixels[[1, 2, 4]].any(0)[known], is_positive(target[:, 1])[known]
    assert paint.sum() > 20
    precision, chance = (lines & paint).sum() / paint.sum(), lines.float().mean()
    assert precision > 3 * chance


def test_accumulated_pseudo_labels_are_the_map(synthetic_root, synthetic_data, lidar_data, tmp_path):
    """Votes of all frames and cameras give the map's drivable area, in either BEV frame."""
    labels = {'root': str(synthetic_root / 'oracle'), 'label_map': 'mapillary_v2', 'classes': ['marking', 'drivable']}
    for bev_frame, data in (('ego', synthetic_data), ('lidar', lidar_data)):
        arguments, out = Accumulation(labels | {'mover_margin': 0.01}, bev_frame=bev_frame), tmp_path / bev_frame
        accumulate_dataset([data / 'ssl_bev_infos_train.pkl'], out, arguments, show_progress=False)
        folders = {'data_root': str(synthetic_root), 'info_root': str(data), 'bev_frame': bev_frame}
        pipeline = [LoadBEVMasks(), LoadAccumulatedTargets(str(out), ['drivable'])]
        both = either = 0
        for sample in NuScenesBEVDataset('ssl_bev_infos_train.pkl', pipeline, **folders):
            truth, found = sample['gt_bev_seg'][:1] == 1, sample['accumulated_probability'] > 127
            seen = sample['accumulated_weight'] > 12
            assert seen.mean() > 0.4
            both, either = both + (truth & found & seen).sum(), either + ((truth | found) & seen).sum()
        assert both / either > 0.95


def test_the_rasteriser_agrees_with_the_devkit(synthetic_root, synthetic_data):
    from nuscenes.map_expansion.map_api import NuScenesMap

    frame = read_info_file(synthetic_data / 'ssl_bev_infos_train.pkl')['data_list'][1]
    devkit = NuScenesMap(str(synthetic_root), frame['location'])
    bev2global, road2bev = frame_poses(frame, 'ego')
    affine = MapGround(bev2global, road2bev).plane2map[:2]
    x, y = affine[:, 2]
    yaw = np.degrees(np.arctan2(affine[1, 0], affine[0, 0]))
    layers = ['drivable_area', 'lane_divider', 'road_divider', 'ped_crossing', 'stop_line']
    # Larger than the grid by the line width, or lines would end at its edge.
    found = dict(devkit.get_map_geom((x, y, 32, 62), yaw, layers))
    sample = NuScenesBEVDataset(
        'ssl_bev_infos_train.pkl', [LoadBEVMasks()], data_root=str(synthetic_root), info_root=str(synthetic_data)
    )[1]
    centers = DEFAULT_GRID.cell_centers().numpy().astype(np.float64)
    for mask, layer in zip(sample['gt_bev_seg'], layers, strict=True):
        area = shapely.union_all(found[layer])
        area = area.buffer(0.25) if layer.endswith('divider') else area
        expected = shapely.contains_xy(area, centers[..., 0], centers[..., 1])
        assert (mask != expected).mean() < 2e-3, layer
    assert sample['gt_bev_seg'][:2].any((1, 2)).all()


def test_infos_open_a_window_of_real_images(synthetic_root, synthetic_data):
    sample = build(synthetic_root, synthetic_data, num_frames=3)[2]
    assert sample['inputs']['img'].shape == (3, 6, 3, *IMAGE_SIZE)
    assert sample['data_samples'].frame_valid.all()
    images = sample['inputs']['img'].float()
    assert (images.std((-1, -2)) > 3).all()
    moved = sample['data_samples'].bev2global[:, :2, 3].diff(dim=0).norm(dim=-1)
    assert torch.all(moved < 15)
