"""Weights from a file are not overwritten by a module's own initialisation."""

import pytest
import torch
from mmdet3d.registry import MODELS
from toy_segmentor import COARSE, FINE, GRID

import projects.BEVFormer.bevformer  # noqa: F401  (registers the encoder)
from ssl_bev.models.initialization import starts_pretrained

ENCODER = dict(
    type='BEVFormer', x_range=(-8, 8), y_range=(-4, 4), bev_shape=(4, 8), in_channels=8, embed_dims=8, num_layers=1,
    num_heads=2, num_levels=1, sampling_spread=0.25,
)  # fmt: skip
HEAD = dict(type='BEVSegHead', in_channels=8, channels=8, grid=GRID, classes=FINE, coarse_classes=COARSE)


@pytest.mark.parametrize('config', [ENCODER, HEAD], ids=['encoder', 'head'])
@pytest.mark.parametrize('several', [False, True])
def test_pretrained_weights_stay(tmp_path, config, several):
    source = MODELS.build(config)
    for number, parameter in enumerate(source.parameters()):
        torch.nn.init.constant_(parameter, 0.01 * (number + 1))
    torch.save(dict(state_dict=source.state_dict()), tmp_path / 'weights.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'weights.pth'))
    model = MODELS.build(dict(config, init_cfg=[init_cfg] if several else init_cfg))
    model.init_weights()
    for name, parameter in source.named_parameters():
        assert torch.equal(dict(model.named_parameters())[name], parameter), name
    assert starts_pretrained(model) and not starts_pretrained(source)


def test_without_a_file_the_modules_own_start_holds():
    head = MODELS.build(HEAD)
    head.init_weights()
    torch.testing.assert_close(head.fine.bias.sigmoid(), torch.full((3,), 0.1))
