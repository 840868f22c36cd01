"""Self-training targets, from a segmentor that knows the world but errs at random."""

import numpy as np
import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModel
from torch import nn

from ssl_bev.apis.fuse_predictions import Fusion, fuse_predictions, fuse_scene
from ssl_bev.datasets import LoadAccumulatedTargets, LoadBEVImages, NuScenesBEVDataset, PackBEVInputs
from ssl_bev.datasets.accumulated_target_files import read_target, read_target_manifest
from ssl_bev.geometry import BEVGrid, rotation_z, translation
from ssl_bev.structures import BEVDataSample

GRID = BEVGrid((-16, 16), (-8, 8), 0.5)
CLASSES = ('drivable_area', 'stop_line')


def world(xy):  # (..., 2) -> (2, ...)
    """Two classes as functions of the place: stripes of 8 m along each axis."""
    return np.moveaxis(np.floor(xy / 8) % 2, -1, 0)


def map_of(bev2global, flips, seed):
    centers = GRID.cell_centers(dtype=torch.float64).numpy()
    truth = world(centers @ bev2global[:2, :2].T + bev2global[:2, 3])
    wrong = np.random.default_rng(seed).random(truth.shape) < flips
    return torch.from_numpy(np.where(wrong, 1 - truth, truth) * 0.8 + 0.1).float()


@MODELS.register_module()
class WorldSegmentor(BaseModel):
    """Predicts the world, with 30 % of the cells wrong."""

    def __init__(self, flips=0.3):
        super().__init__()
        self.flips = flips
        self.scale = nn.Parameter(torch.ones(()))
        self.seg_head = nn.Module()
        self.seg_head.grid, self.seg_head.classes, self.seg_head.predict_classes = GRID, CLASSES, 'fine'
        self.seen = []

    def forward(self, inputs, data_samples, mode='tensor'):
        for sample in data_samples:
            self.seen.append(sample.sample_token)
            sample.pred_bev_seg = map_of(sample.bev2global[-1].numpy(), self.flips, len(self.seen))
            sample.set_metainfo(dict(x_range=GRID.x_range, y_range=GRID.y_range, cell_size=0.5, pred_classes=CLASSES))
        return data_samples


def drive(flips=0.0):
    """Ten frames along a bend; one camera looks ahead, 1.5 m above the road."""
    ahead = torch.tensor([[40.0, -40, 0, 0], [12, 0, -40, 60], [1, 0, 0, 0], [0, 0, 0, 1]])
    samples = []
    for t in range(10):
        pose = translation(torch.tensor([600 + 2.0 * t, 900 + 0.3 * t * t, 0.0], dtype=torch.float64))
        sample = BEVDataSample(metainfo=dict(img_shape=(48, 80), x_range=(-16, 16), y_range=(-8, 8), cell_size=0.5))
        sample.bev2img, sample.road2bev = ahead.expand(1, 1, 4, 4), torch.eye(4)[None]
        sample.bev2global = (pose @ rotation_z(torch.tensor(0.1 * t, dtype=torch.float64)))[None]
        sample.frame_valid = torch.ones(1, dtype=torch.bool)
        sample.pred_bev_seg = map_of(sample.bev2global[0].numpy(), flips, t)
        samples.append(sample)
    return samples


def test_fusion_corrects_what_single_frames_get_wrong():
    samples = drive(flips=0.3)
    wrong_alone, wrong_fused, counted = 0.0, 0.0, 0
    for sample, (probability, weight) in zip(samples, fuse_scene(samples, Fusion()), strict=True):
        truth = map_of(sample.bev2global[0].numpy(), 0, 0).numpy() > 0.5
        sure = weight > 0.99
        counted += sure.sum()
        wrong_alone += ((sample.pred_bev_seg.numpy() > 0.5) != truth)[sure].sum()
        wrong_fused += ((probability > 0.5) != truth)[sure].sum()
    assert counted > 5000
    assert 0.25 < wrong_alone / counted < 0.35
    assert wrong_fused / counted < 0.5 * wrong_alone / counted


def test_the_weight_is_that_of_observed_near_and_confident_cells():
    """One frame alone: p is its own; 16 m ahead of the origin counts 1 / (1 + (16/16)^2), |2 p - 1| = 0.8."""
    sample = drive()[:1]
    probability, weight = next(fuse_scene(sample, Fusion(half_distance=16.0, raster_cell_size=0.5)))
    seen = weight[0] > 0
    assert not seen[:, :33].any() and seen[16, 40:].all()  # the camera sees nothing behind, and the road from 3.3 m
    row, column = 16, 63  # y = 0.25, x = 15.75
    expected = 0.8 / (1 + (15.75**2 + 0.25**2) / 16**2)
    assert weight[0, row, column] == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(probability[:, row, column], sample[0].pred_bev_seg[:, row, column], atol=1e-5)
    unweighted = Fusion(half_distance=1e6, confidence_power=0.0, full_weight=0.5, raster_cell_size=0.5)
    assert np.unique(next(fuse_scene(sample, unweighted))[1][0, 1:-1, 40:-1]).tolist()[-1] == 1


def dataset(tiny_root, tiny_data, *transforms):
    pipeline = [LoadBEVImages(), *transforms, PackBEVInputs()]
    folders = dict(data_root=str(tiny_root), info_root=str(tiny_data))
    return NuScenesBEVDataset('ssl_bev_infos_train.pkl', pipeline, **folders)


def test_targets_of_a_dataset_are_written_resumed_and_loaded(tiny_root, tiny_data, tmp_path):
    frames, out = dataset(tiny_root, tiny_data), tmp_path / 'out'
    model, teacher = WorldSegmentor().eval(), dict(name='world', sha256='a' * 64)

    def run(fusion=None):
        return fuse_predictions(model, frames, out, fusion or Fusion(), teacher, show_progress=False)

    assert run() == {'written': len(frames), 'there': 0}
    assert read_target_manifest(out)['classes'] == list(CLASSES)
    assert read_target_manifest(out)['teacher'] == teacher
    token = model.seen[0]
    (out / f'{token}.npz').unlink()
    model.seen.clear()
    counts = run()
    assert counts['written'] == len(model.seen) < len(frames) and token in model.seen
    with pytest.raises(ValueError, match=r'made with half_distance 20.0 \(now 5.0\)'):
        run(Fusion(half_distance=5.0))

    gated = LoadAccumulatedTargets(str(out), CLASSES[::-1], 'self', dict(stop_line=0.6))
    sample = dataset(tiny_root, tiny_data, gated)[0]['data_samples']
    probability, weight = (value[::-1].astype(int) for value in read_target(out, sample.sample_token, (2, 32, 64)))
    assert sample.self_classes == list(CLASSES[::-1]) and sample.self_grid == GRID
    assert 'accumulated_weight' not in sample
    np.testing.assert_array_equal(sample.self_probability, probability)
    unsure = np.abs(2 * probability[0] - 255) < 0.6 * 255
    assert (unsure & (weight[0] > 0)).any()
    np.testing.assert_array_equal(sample.self_weight[0], np.where(unsure, 0, weight[0]))
    np.testing.assert_array_equal(sample.self_weight[1], weight[1])
    for arguments, message in (
        (dict(kind='own'), r"kind must be one of \('accumulated', 'self'\), got 'own'"),
        (dict(min_confidence=2.0), r'min_confidence must be in \[0, 1\], got 2.0'),
        (dict(min_confidence=dict(stop=0.5)), r"min_confidence names \['stop'\]"),
    ):
        with pytest.raises(ValueError, match=message):
            LoadAccumulatedTargets(str(out), **arguments)


def test_bad_fusion():
    for arguments, message in (
        (dict(half_distance=0), 'half_distance must be positive, got 0'),
        (dict(confidence_power=-1), 'confidence_power must not be negative, got -1'),
    ):
        with pytest.raises(ValueError, match=message):
            Fusion(**arguments)
