"""The published set-ups of BEVFormer: their figures, and that each trains."""

import os
from pathlib import Path

import pytest
import torch
from linked_data import linked_data
from mmdet3d.registry import DATASETS, MODELS
from mmdet3d.utils import register_all_modules
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.structures import BaseDataElement

from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation.create_infos import create_data

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'bevformer'
# images and padded images as (height, width)
DATA = {
    'tiny': dict(image=(450, 800), padded=(480, 800), queries=(50, 50), frames=3),
    'small': dict(image=(720, 1280), padded=(736, 1280), queries=(150, 150), frames=3),
    'base': dict(image=(900, 1600), padded=(928, 1600), queries=(200, 200), frames=4),
}
NETWORK = {
    'tiny': dict(depth=50, deformable=False, levels=1, layers=3),
    'small': dict(depth=101, deformable=True, levels=1, layers=3),
    'base': dict(depth=101, deformable=True, levels=4, layers=6),
}


@pytest.fixture(scope='module')
def data(tiny_root, tmp_path_factory):
    """The hand-made images beside their info files, and labels in the lidar frame on a coarse grid."""
    options = dict(grid=BEVGrid((-51.2, 51.2), (-51.2, 51.2), 3.2), bev_frame='lidar')
    folder = linked_data(tiny_root, tmp_path_factory.mktemp('bevformer') / 'data', **options)
    create_data(tiny_root, 'v1.0-mini', folder / 'bevformer', labels_only=True, show_progress=False, **options)
    return folder


def load(name, data=Path('nowhere')):
    os.environ['SSL_BEV_NUSCENES'] = str(data)
    return Config.fromfile(CONFIGS / f'bevformer_{name}_seg.py')


@pytest.mark.parametrize('name', DATA)
def test_figures_are_the_published_ones(name):
    assert len((CONFIGS / f'bevformer_{name}_seg.py').read_text().splitlines()) <= 35
    image, padded, queries, frames = DATA[name].values()
    config = load(name)
    for loader in (config.train_dataloader, config.ssl_dataloader, config.val_dataloader, config.test_dataloader):
        assert tuple(loader.dataset.pipeline[1].size) == image
        assert (loader.dataset.num_frames, loader.dataset.bev_frame) == (frames, 'lidar')
    assert (config.train_dataloader.batch_size, config.auto_scale_lr.base_batch_size) == (1, 8)
    optim = config.optim_wrapper
    assert (optim.optimizer.type, optim.optimizer.lr, optim.optimizer.weight_decay) == ('FusedAdamW', 2e-4, 0.01)
    assert (optim.paramwise_cfg.custom_keys.img_backbone.lr_mult, optim.clip_grad.max_norm) == (0.1, 35)
    warm_up, cosine = config.param_scheduler
    assert (warm_up.end, cosine.begin, cosine.type) == (500, 500, 'CosineAnnealingLR')
    assert config.train_cfg.max_epochs == 24

    encoder, head = config.model.bev_encoder, MODELS.build({**config.model.seg_head, 'in_channels': 1, 'channels': 8})
    assert (encoder.bev_shape, encoder.z_range, encoder.pillar_base) == (queries, (-5.0, 3.0), 'frame')
    assert encoder.x_range == encoder.y_range == head.grid.x_range == head.grid.y_range == (-51.2, 51.2)
    assert head.grid.shape == head(torch.zeros(1, 1, *queries))['fine'].shape[2:] == (400, 400)
    preprocessor = MODELS.build(config.model.data_preprocessor)
    images = dict(inputs=dict(img=torch.zeros(1, 1, 3, *image)), data_samples=BaseDataElement())
    assert preprocessor(images)['inputs']['img'].shape[-2:] == padded


def check_network(model, depth, deformable, levels, layers):
    encoder = model.bev_encoder
    assert model.img_backbone.depth == depth
    assert any('conv_offset' in key for key, _ in model.img_backbone.named_parameters()) == deformable
    assert len(encoder.encoder.layers) == layers
    assert encoder.level_embeds.shape == (levels, 256) and encoder.num_pillar_points == 4
    layer = encoder.encoder.layers[0]
    temporal, spatial = layer.attentions
    assert layer.ffns[0].state_dict()['layers.0.0.weight'].shape == (512, 256)
    assert (temporal.num_heads, temporal.num_points) == (8, 4)
    points = spatial.deformable_attention
    assert (points.num_heads, points.num_levels, points.num_points) == (8, levels, 8)
    assert temporal.dropout.p == spatial.dropout.p == 0.1


@pytest.mark.parametrize('name', DATA)
def test_each_trains_a_step(name, data):
    """The whole network, deformable convolutions included, on small images and few queries, towards BEV labels."""
    config = load(name, data)
    config.model.img_backbone.init_cfg = None
    config.model.bev_encoder.bev_shape = (16, 16)
    config.model.seg_head.update(num_upsamples=1, grid={**config.grid, 'cell_size': 3.2})
    dataset = config.train_dataloader.dataset
    dataset.pipeline[1].size = (32, 64)
    dataset.num_frames = 2
    register_all_modules()
    torch.manual_seed(0)
    model = MODELS.build(config.model).train()
    check_network(model, **NETWORK[name])

    optimizer = torch.optim.SGD(model.parameters(), 1e-2)
    watched = [model.img_backbone.layer2[0].conv1, model.img_backbone.layer3[0].conv2, model.img_neck.fpn_convs[0].conv]
    before = [module.weight.clone() for module in watched]
    batch = pseudo_collate([DATASETS.build(dataset)[1]])
    losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
    assert losses['loss_seg'] > 0
    sum(losses.values()).backward()
    optimizer.step()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert all((module.weight != old).any() for module, old in zip(watched, before, strict=True))
