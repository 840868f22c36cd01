"""The benchmark's yardstick, the original's way of working, gives what our encoder gives: values and gradients."""

import sys
from pathlib import Path

import pytest
import torch
from bevformer_rig import IMAGE_SIZE, LEVEL_SHAPES, level_features, randomize, ring_of_cameras

from projects.BEVFormer.bevformer import BEVFormerEncoder
from projects.BEVFormer.bevformer.reference_points import pillar_points, view_pillars
from ssl_bev.geometry import BEVGrid

sys.path.append(str(Path(__file__).parents[2] / 'tools' / 'benchmarks'))
from original_encoder import OriginalEncoder

GRID = BEVGrid((-6, 6), (-4, 4), 1)
SIZES = dict(num_layers=2, embed_dims=16, num_heads=4, num_levels=2, feedforward_channels=24)


@pytest.mark.parametrize('with_history', [True, False])
def test_yardstick_equals_ours(with_history):
    generator = torch.Generator().manual_seed(0)
    ours = randomize(BEVFormerEncoder(**SIZES), generator)
    yardstick = OriginalEncoder(**SIZES).eval()
    yardstick.load_state_dict(ours.state_dict(), strict=True)
    points = pillar_points(GRID, (-1, 3), 4)
    cameras = ring_of_cameras(6, focal_length=40)[None]
    query, bev_pos, history = torch.randn(3, 1, points.shape[1], 16, generator=generator)
    features = torch.cat([f.flatten(3).mT for f in level_features(1, 6, 16, generator)], 2)

    results = []
    for encoder in (ours, yardstick):
        leaves = [tensor.clone().requires_grad_() for tensor in (query, bev_pos, features)]
        inputs = dict(bev_query=leaves[0], bev_pos=leaves[1], bev_shape=GRID.shape, features=leaves[2])
        inputs |= dict(level_shapes=LEVEL_SHAPES, history=history if with_history else None)
        if encoder is ours:
            inputs |= dict(views=view_pillars(points, cameras, IMAGE_SIZE))
        else:
            inputs |= dict(points=points, bev2img=cameras, image_size=IMAGE_SIZE)
        output = encoder(**inputs)
        gradients = torch.autograd.grad(output.square().mean(), [*leaves, *encoder.parameters()])
        results.append([output, *gradients])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
