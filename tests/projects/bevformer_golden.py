"""Numbers of the original BEVFormer encoder, and how our encoder takes them."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from projects.BEVFormer.bevformer.reference_points import cell_fractions, view_pillars

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get('SSL_BEV_SHARED', ROOT.parent / 'shared'))
GOLDEN = Path(os.environ.get('SSL_BEV_GOLDEN', SHARED / 'golden' / 'bevformer_encoder.npz'))
NUM_PILLAR_POINTS = 4  # in no array: a pillar's points and their offsets share one axis
NUM_HEADS = 8

needs_golden = pytest.mark.skipif(not GOLDEN.is_file(), reason=f'no golden numbers at {GOLDEN}; set SSL_BEV_GOLDEN')


def read_golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def golden_weights(golden: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """The encoder's parameters by their names within it."""
    prefix = 'state_dict/'
    return {k[len(prefix) :]: torch.from_numpy(v) for k, v in golden.items() if k.startswith(prefix)}


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
