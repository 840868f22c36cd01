"""The encoder reproduces numbers of the original BEVFormer at batch 1, from its weights, to 1e-4."""

import numpy as np
import pytest
import torch
from bevformer_golden import NUM_HEADS, golden_history, golden_inputs, golden_weights, needs_golden, read_golden

from projects.BEVFormer.bevformer.encoder import BEVFormerEncoder

pytestmark = needs_golden


@pytest.fixture(scope='module')
def golden() -> dict[str, np.ndarray]:
    return read_golden()


@pytest.fixture(scope='module')
def encoder(golden) -> BEVFormerEncoder:
    weights = golden_weights(golden)
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
