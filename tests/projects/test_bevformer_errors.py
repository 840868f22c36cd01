"""Wrong options and inputs are refused by name, rule and value."""

import pytest
import torch
from bevformer_rig import CONFIG, IMAGE_SIZE, build_bevformer, ring_of_cameras, two_samples

from projects.BEVFormer.bevformer import BEVFormer, BEVFormerEncoder
from projects.BEVFormer.bevformer.reference_points import pillar_points, view_pillars
from ssl_bev.geometry import BEVGrid


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'bev_shape': (8, 8)}, r'cells of 1\.5000 m along x and 1\.0000 m along y .* must be square'),
        ({'pillar_base': 'lidar'}, "pillar_base must be 'road' or 'frame', got 'lidar'"),
        ({'num_spatial_points': 6}, 'num_spatial_points 6 must be a multiple of num_pillar_points 4'),
        ({'in_channels': [5, 6, 7]}, r'in_channels must be one number or num_levels = 2 of them, got \[5, 6, 7\]'),
        ({'num_heads': 3}, 'num_heads 3 must divide embed_dims 16'),
        ({'embed_dims': 15, 'num_heads': 5}, 'embed_dims must be even'),
        ({'z_range': (0, 0.5)}, 'z_range must be at least 1 m high'),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        BEVFormer(**{name: value for name, value in {**CONFIG, **options}.items() if name != 'type'})


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'image_features': []}, 'must have num_levels = 2 levels, got 0'),
        ({'bev2img': torch.eye(4)}, r'bev2img must have the shape \(B, N, 4, 4\), got \(4, 4\)'),
        ({'bev2img': torch.eye(4).expand(2, 7, 4, 4)}, 'num_cams is 6, got 7 cameras'),
        (
            {'bev2img': torch.eye(4).expand(2, 4, 4, 4)},
            r'image_features\[0\] must have .* \(2, 4, 16\), of bev2img and in_channels, got \(2, 3, 16',
        ),
        ({'history': torch.zeros(2, 16, 12, 8)}, r'history must .* \(2, 16, 8, 12\), got \(2, 16, 12, 8\)'),
        ({'history_valid': torch.ones(2)}, r'history_valid must be a bool tensor of shape \(2,\), got torch.float32'),
        ({'camera_valid': torch.ones(2, 2) > 0}, r'camera_valid must be a bool tensor of shape \(2, 3\), .* \(2, 2\)'),
        ({'road': torch.eye(4)}, r'road2bev must have the shape \(2, 4, 4\), got \(4, 4\)'),
        ({'current2history': torch.eye(3)}, r'current2history must have the shape \(2, 4, 4\), got \(3, 3\)'),
    ],
)
def test_wrong_inputs(generator, change, message):
    model, inputs = build_bevformer(generator), two_samples(generator)
    with pytest.raises(ValueError, match=message):
        model.encode(**{**inputs, **change})


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            {'level_shapes': [(2, 2)]},
            r'\(G, S\) = \(1, 4\), of groups and level_shapes \[\(2, 2\)\], got \(1, 5, 8, 2\)',
        ),
        ({'features': torch.zeros(1, 2, 5, 16)}, r'\(G, S\) = \(1, 5\), of groups .*, got \(2, 5, 8, 2\)'),
    ],
)
def test_features_that_contradict_shapes_or_views(change, message):
    points = pillar_points(BEVGrid((0, 4), (0, 2), 1), (-1, 3), 4)
    inputs = {
        'bev_query': torch.zeros(1, 8, 16),
        'bev_pos': torch.zeros(1, 8, 16),
        'bev_shape': (2, 4),
        'features': torch.zeros(1, 1, 5, 16),
        'level_shapes': [(1, 5)],
        'views': view_pillars(points, ring_of_cameras(1)[None], IMAGE_SIZE),
    }
    encoder = BEVFormerEncoder(num_layers=1, embed_dims=16, num_levels=1)
    assert encoder(**inputs).shape == (1, 8, 16)
    with pytest.raises(ValueError, match=message):
        encoder(**{**inputs, **change})
