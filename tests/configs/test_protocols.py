"""Every protocol trains a step and is evaluated, beside every recipe."""

import importlib.util
import math
import sys
from pathlib import Path

import pytest
import torch
from linked_data import linked_data
from mmdet3d.registry import DATASETS, MODELS
from mmdet3d.utils import register_all_modules
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator

from ssl_bev.preparation.create_infos import create_data
from ssl_bev.preparation.map_geometry import BASE_CLASSES
from ssl_bev.preparation.protocols import LabelProtocol

PROJECT = Path(__file__).resolve().parents[2]
CONFIGS = PROJECT / 'configs'
FRAGMENTS = CONFIGS / '_base_' / 'protocols'
PROTOCOLS = ('road_markings', 'bevfusion', 'hdmapnet')
RECIPES = ('supervised', 'ssl_pretrain', 'ssl_finetune', 'ssl_two_phase')


@pytest.fixture(scope='module')
def data(synthetic_root, tmp_path_factory):
    """The synthetic images with the labels of all protocols, made by the tool, in one folder."""
    folder = linked_data(synthetic_root, tmp_path_factory.mktemp('protocols') / 'data')
    for name in PROTOCOLS:
        protocol = LabelProtocol.read(FRAGMENTS / f'{name}.py')
        create_data(
            synthetic_root, 'v1.0-mini', folder, protocol.grid, protocol.classes,
            label_dir=protocol.label_dir, labels_only=True, show_progress=False,
        )  # fmt: skip
    return folder


def leaf(folder, recipe, protocol, data, monkeypatch):
    """The lines of docs/protocols.md beside a recipe for two CPU cores, then smaller still."""
    monkeypatch.setenv('SSL_BEV_SYNTHETIC', str(data))
    evaluator = 'coarse_evaluator' if recipe == 'ssl_pretrain' else 'evaluator'
    path = CONFIGS / 'protocols' / 'synthetic' / f'bevformer_{recipe}_{protocol}.py'
    if not path.is_file():
        path = folder / f'{recipe}_{protocol}.py'
        path.write_text(
            f"_base_ = ['{CONFIGS}/synthetic/bevformer_{recipe}.py', '{FRAGMENTS}/{protocol}.py']\n"
            'model = _base_.protocol.model\n'
            'train_dataloader = labelled_dataloader = val_dataloader = test_dataloader = _base_.protocol.dataloader\n'
            f'val_evaluator = test_evaluator = _base_.protocol.{evaluator}\n'
            + ("model.seg_head.predict_classes = 'coarse'\n" if recipe == 'ssl_pretrain' else '')
        )
    config = Config.fromfile(path)
    rows, columns = config.model.bev_encoder.bev_shape
    config.model.bev_encoder.bev_shape = (rows // 2, columns // 2)
    config.model.seg_head.update(num_upsamples=config.model.seg_head.num_upsamples + 1, channels=8)
    config.model.bev_encoder.num_layers = 1
    config.model.img_backbone.update(base_channels=8, stem_channels=8, init_cfg=None)
    config.model.img_neck.in_channels = [8, 16, 32]
    for loader in (config.train_dataloader, config.labelled_dataloader, config.test_dataloader):
        for step in loader.dataset.pipeline:
            if step.type == 'ResizeCropFlipImages':
                step.size = (64, 160)
            if step.type == 'LoadPseudoLabels':
                step.update(root=str(data / 'oracle'), label_map='mapillary_v2', teacher='oracle')
    return config


def build_model(config):
    register_all_modules()
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    return model


def evaluate(config, model):
    dataset = DATASETS.build(config.test_dataloader.dataset)
    evaluator = Evaluator(config.test_evaluator)
    with torch.no_grad():
        evaluator.process(model.test_step(pseudo_collate([dataset[0]])))
    return evaluator.evaluate(len(dataset))


@pytest.mark.parametrize(
    ('protocol', 'shape', 'thin'),
    [
        ('road_markings', (120, 240), {'bev_0.25m/IoU_lane_divider_0.25m', 'bev_0.25m/IoU_road_divider_0.25m'}),
        ('bevfusion', (200, 200), {'bev_0.5m/IoU_divider_0.5m'}),
        ('hdmapnet', (200, 400), {f'bev_0.3m/IoU_{name}_0.3m' for name in ('divider', 'ped_crossing', 'boundary')}),
    ],
)
def test_a_supervised_step_and_an_evaluation(protocol, shape, thin, data, tmp_path, monkeypatch):
    config = leaf(tmp_path, 'supervised', protocol, data, monkeypatch)
    model = build_model(config)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    batch = model.data_preprocessor(pseudo_collate([dataset[0], dataset[1]]), training=True)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    losses = []
    for _ in range(2):
        loss = model(**batch, mode='loss')['loss_seg']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]

    metrics = evaluate(config, model.eval())
    names = [f'bev/IoU_{name}' for name in config.model.seg_head.classes]
    assert {*names, *thin, 'bev/mIoU', 'bev/mIoU_best'} <= set(metrics)
    assert all(math.isnan(metrics[name]) or 0 <= metrics[name] <= 1 for name in metrics if '/IoU_' in name)
    sample = DATASETS.build(config.test_dataloader.dataset)[0]['data_samples']
    assert sample.gt_bev_seg.shape[1:] == shape
    # Narrow lines cover a part of the wide ones.
    for name in thin:
        narrow = name.split('IoU_')[1]
        wide = narrow.rsplit('_', 1)[0]
        at = {name: sample.gt_bev_seg[sample.bev_classes.index(name)].bool() for name in (narrow, wide)}
        assert not (at[narrow] & ~at[wide]).any()
        assert 0 < at[narrow].sum() < at[wide].sum() or not at[wide].any()


@pytest.mark.parametrize(
    ('recipe', 'protocol'),
    [
        ('ssl_pretrain', 'road_markings'),
        ('ssl_pretrain', 'bevfusion'),
        ('ssl_finetune', 'bevfusion'),
        ('ssl_two_phase', 'hdmapnet'),
    ],
)
def test_self_supervised_recipes_take_every_protocol(recipe, protocol, data, tmp_path, monkeypatch):
    config = leaf(tmp_path, recipe, protocol, data, monkeypatch)
    label_dir = f'bev_labels_{protocol}'
    assert config.labelled_dataloader.dataset.label_dir == config.test_dataloader.dataset.label_dir == label_dir
    model = build_model(config)
    (phases,) = [hook.phases for hook in config.custom_hooks if hook.type == 'TwoPhaseHook']
    loaders = {'pretrain': config.train_dataloader, 'finetune': config.labelled_dataloader}
    for phase in phases:
        dataset = DATASETS.build(loaders[phase.name].dataset)
        model.set_loss_weights(phase.losses)
        if phase.get('init_classes'):
            model.seg_head.init_fine_from_coarse()
        batch = model.data_preprocessor(pseudo_collate([dataset[0]]), training=True)
        total = sum(model(**batch, mode='loss').values())
        total.backward()
        assert total > 0 and total.isfinite()
        trained = model.seg_head.coarse if phase.name == 'pretrain' else model.seg_head.fine
        assert (trained.bias.grad != 0).all()  # each class, the boundary too, which no pseudo-label shows
    if recipe == 'ssl_pretrain':
        metrics = evaluate(config, model.eval())
        assert {f'bev/IoU_{name}' for name in config.test_evaluator.classes} <= set(metrics)


@pytest.mark.parametrize('path', sorted((CONFIGS / 'protocols').rglob('*.py')), ids=lambda path: path.stem)
def test_shipped_leaves_are_their_recipe_with_the_protocol(path):
    config = Config.fromfile(path)
    recipe, name = next(
        (r, path.stem.removeprefix(f'bevformer_{r}_')) for r in RECIPES if path.stem.startswith(f'bevformer_{r}_')
    )
    plain = Config.fromfile(CONFIGS / ('synthetic' if 'synthetic' in path.parts else '') / f'bevformer_{recipe}.py')
    assert config.custom_hooks == plain.custom_hooks
    assert config.train_dataloader.dataset.pipeline == plain.train_dataloader.dataset.pipeline
    if name == 'geo_split':
        train, val = config.train_dataloader.dataset, config.test_dataloader.dataset
        assert (train.scene_list, train.disjoint_from) == (val.disjoint_from, val.scene_list)
        assert config.labelled_dataloader.dataset.scene_list == train.scene_list
        assert config.model == plain.model
    else:
        assert config.model.seg_head.classes == config.protocol.classes
        grid = LabelProtocol.read(FRAGMENTS / f'{name}.py').grid
        rows, columns = config.model.bev_encoder.bev_shape
        factor = 2**config.model.seg_head.num_upsamples
        assert (rows * factor, columns * factor) == grid.shape


def test_our_own_protocol_is_that_of_the_recipes():
    protocol = LabelProtocol.read(FRAGMENTS / 'road_markings.py')
    model = Config.fromfile(CONFIGS / 'bevformer_supervised.py').model
    for spec, base in zip(protocol.classes, BASE_CLASSES, strict=False):
        assert (spec.name, list(spec.layers), spec.kind) == (base.name, list(base.layers), base.kind)
    assert tuple(spec.name for spec in protocol.classes[:5]) == model.seg_head.classes
    assert [spec.line_width for spec in protocol.classes] == [None, 0.5, 0.5, None, None, 0.25, 0.25]
    grid = model.seg_head.grid
    assert (protocol.grid.x_range, protocol.grid.y_range, protocol.grid.cell_size) == tuple(grid.values())


def test_the_tool_takes_a_protocol_by_name(tiny_root, tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location('create_data_tool', PROJECT / 'tools' / 'create_data.py')
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    (tmp_path / 'mine.py').write_text(
        "protocol = dict(label_dir='mine', grid=dict(x_range=(-10, 10), y_range=(-5, 5), cell_size=0.5),\n"
        "    label_classes=[dict(name='road', layers=['drivable_area'])])\n"
    )

    def create(*options):
        command = ['create_data.py', '--data-root', str(tiny_root), '--out', str(tmp_path / 'out'), '--labels-only']
        monkeypatch.setattr(sys, 'argv', [*command, *options])
        tool.main()

    create('--protocol', str(tmp_path / 'mine.py'))
    assert len(list((tmp_path / 'out' / 'mine').glob('*.png'))) == 9
    found = 'bevfuson.py; in that folder: bevfusion, geo_split, hdmapnet, road_markings'
    with pytest.raises(SystemExit, match=rf'error: .*{found}'):
        create('--protocol', 'bevfuson')
    with pytest.raises(SystemExit):
        create('--protocol', 'bevfusion', '--cell-size', '1')
    assert 'leave out --cell-size' in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['mine']


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('x = 1', r'needs a dict `protocol` with label_dir, grid, label_classes'),
        ("protocol = dict(label_dir='a', grid=dict())", r"missing: \['label_classes'\]"),
        (
            "protocol = dict(label_dir='a', grid=dict(x_range=(0, 1), y_range=(0, 1), cell_size=0.3),"
            ' label_classes=[])',
            r'protocol .*: x_range .* choose a range that is a whole multiple',
        ),
        (
            "protocol = dict(label_dir='a', grid=dict(x_range=(0, 1), y_range=(0, 1), cell_size=0.5),"
            " label_classes=[dict(name='a', layer=['b'])])",
            "unexpected keyword argument 'layer'",
        ),
        (
            "protocol = dict(label_dir='a', grid=dict(x_range=(0, 1), y_range=(0, 1), cell_size=0.5),"
            " label_classes=[dict(name='a', layers=['b']), dict(name='a', layers=['c'])])",
            r"names of label_classes must differ, got \['a', 'a'\]",
        ),
    ],
)
def test_bad_protocols(tmp_path, text, message):
    path = tmp_path / 'bad.py'
    path.write_text(text + '\n')
    with pytest.raises(ValueError, match=message):
        LabelProtocol.read(path)
