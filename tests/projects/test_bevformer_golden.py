"""The encoder reproduces numbers of the original BEVFormer at batch 1, from its weights, to 1e-4."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from projects.BEVFormer.bevformer.encoder import BEVFormerEncoder
from projects.BEVFormer.bevformer.reference_points import cell_fractions, view_pillars

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get('SSL_BEV_SHARED', ROOT.parent / 'shared'))
GOLDEN = Path(os.environ.get('SSL_BEV_GOLDEN', SHARED / 'golden' / 'bevformer_encoder.npz'))
NUM_PILLAR_POINTS = 4  # in no array: a pillar's points and their offsets share one axis
NUM_HEADS = 8

pytestmark = pytest.mark.skipif(not GOLDEN.is_file(), reason=f'no golden numbers at {GOLDEN}; set SSL_BEV_GOLDEN')


@pytest.fixture(scope='module')
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


@pytest.fixture(scope='module')
def encoder(golden) -> BEVFormerEncoder:
    prefix = 'state_dict/'
    weights = {k[len(prefix) :]: torch.from_numpy(v) for k, v in golden.items() if k.startswith(prefix)}
    temporal, spatial = (f'layers.0.attentions.{name}' for name in ('0', '1.deformable_attention'))
    num_levels = len(golden['spatial_shapes'])
    model = BEVFormerEncoder(
        num_layers=1 + max(int(name.split('.')[1]) for name in weights),
        embed_dims=golden['bev_query'].shape[-1],
        num_heads=NUM_HEADS,
        num_levels=num_levels,
        num_temporal_points=len(weights[f'{temporal}.attention_weights.bias']) // (2 * NUM_HEADS),
        num_spatial_points=len(weights[f'{spatial}.attention_weights.bias']) // (NUM_HEADS * num_levels),
        feedforward_channels=len(weights['layers.0.ffns.0.layers.0.0.bias']),
    )
    model.load_state_dict(weights, strict=True)
    return model.eval()


def golden_inputs(golden, batch: int = 1) -> dict:
    """The file's arrays as the encoder's arguments, the sample repeated `batch` times."""
    bev_shape = int(golden['bev_h']), int(golden['bev_w'])
    low, high = torch.from_numpy(golden['pc_range']).float().view(2, 3)
    xy = low[:2] + cell_fractions(bev_shape) * (high - low)[:2]
    z = torch.linspace(low[2] + 0.5, high[2] - 0.5, NUM_PILLAR_POINTS)
    points = torch.cat([xy[:, None].expand(-1, len(z), -1), z[:, None].expand(len(xy), -1, 1)], -1)
    lidar2img = torch.from_numpy(golden['lidar2img']).float().expand(batch, -1, -1, -1)
    image_size = int(golden['image_height']), int(golden['image_width'])
    return {
        'bev_query': queries(golden['bev_query'], batch),
        'bev_pos': queries(golden['bev_pos'], batch),
        'bev_shape': bev_shape,
        'features': torch.from_numpy(golden['features']).permute(2, 0, 1, 3).expand(batch, -1, -1, -1),
        'level_shapes': [tuple(shape) for shape in golden['spatial_shapes'].tolist()],
        'views': view_pillars(points[None], lidar2img, image_size),
    }


def golden_history(golden, batch: int = 1) -> dict:
    return {
        'history': queries(golden['prev_bev'], batch),
        'history_shift': torch.from_numpy(golden['shift']).expand(batch, -1),
    }


def queries(array: np.ndarray, batch: int) -> Tensor:
    return torch.from_numpy(array).transpose(0, 1).expand(batch, -1, -1)


@torch.no_grad()
def test_output_without_history(golden, encoder):
    output = encoder(**golden_inputs(golden))
    torch.testing.assert_close(output.numpy(), golden['output_without_history'], atol=1e-4, rtol=0)


@torch.no_grad()
def test_output_with_history(golden, encoder):
    output = encoder(**golden_inputs(golden), **golden_history(golden))
    torch.testing.assert_close(output.numpy(), golden['output_with_history'], atol=1e-4, rtol=0)


@torch.no_grad()
def test_a_batch_of_both_gives_both_outputs(golden, encoder):
    valid = torch.tensor([True, False])
    output = encoder(**golden_inputs(golden, 2), **golden_history(golden, 2), history_valid=valid)
    for sample, name in enumerate(('output_with_history', 'output_without_history')):
        torch.testing.assert_close(output[sample : sample + 1].numpy(), golden[name], atol=1e-4, rtol=0)
