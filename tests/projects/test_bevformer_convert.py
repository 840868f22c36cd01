"""Checkpoints of the original BEVFormer become weights of ours."""

import runpy
import sys
from pathlib import Path

import pytest
import torch
from bevformer_golden import golden_history, golden_inputs, golden_weights, needs_golden, read_golden
from mmdet.models.backbones import ResNet
from mmdet.models.necks import FPN

import projects.BEVFormer.bevformer  # noqa: F401  registers BEVFormer
from projects.BEVFormer.bevformer.convert_checkpoint import convert_checkpoint, convert_state_dict
from ssl_bev.models import BEVSegmentor

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'convert_bevformer_checkpoint.py'
ROWS, COLUMNS, CHANNELS, LEVELS = 12, 10, 32, 2
BACKBONE = dict(depth=18, base_channels=4, num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(0, 1))
NECK = dict(in_channels=[4, 8], out_channels=CHANNELS, num_outs=LEVELS)
HEAD = 'pts_bbox_head.'


@pytest.fixture(scope='module')
def golden():
    return read_golden()


@pytest.fixture
def official(golden):
    """A state dict with the names and shapes of the official ones; the encoder and the queries are the golden ones."""
    torch.manual_seed(0)
    encoder = golden_weights(golden)
    weights = {f'img_backbone.{k}': torch.randn_like(v.float()) for k, v in ResNet(**BACKBONE).state_dict().items()}
    weights |= {f'img_neck.{k}': torch.randn_like(v) for k, v in FPN(**NECK).state_dict().items()}
    weights |= {f'{HEAD}transformer.encoder.{k}': v for k, v in encoder.items()}
    shapes = {
        'positional_encoding.row_embed.weight': (ROWS, CHANNELS // 2),
        'positional_encoding.col_embed.weight': (COLUMNS, CHANNELS // 2),
        'transformer.level_embeds': (4, CHANNELS),  # four, however many are used
        'transformer.cams_embeds': (6, CHANNELS),
        'transformer.can_bus_mlp.0.weight': (CHANNELS // 2, 18),
        'transformer.can_bus_mlp.0.bias': (CHANNELS // 2,),
        'transformer.can_bus_mlp.norm.weight': (CHANNELS,),
        'transformer.decoder.layers.0.attentions.0.attn.in_proj_weight': (3 * CHANNELS, CHANNELS),
        'transformer.reference_points.weight': (3, CHANNELS),
        'query_embedding.weight': (900, 2 * CHANNELS),
        'cls_branches.0.0.weight': (CHANNELS, CHANNELS),
        'code_weights': (10,),
    }
    weights |= {HEAD + name: torch.randn(shape) for name, shape in shapes.items()}
    weights[HEAD + 'bev_embedding.weight'] = torch.from_numpy(golden['bev_query'][:, 0])
    return weights


@pytest.fixture
def model():
    return BEVSegmentor(**model_config())


def model_config(**encoder):
    low, high = -51.2, 51.2
    classes = ['road']
    encoder = dict(
        type='BEVFormer', x_range=(low, low + (high - low) * COLUMNS / ROWS), y_range=(low, high),
        bev_shape=(ROWS, COLUMNS), embed_dims=CHANNELS, num_layers=2, num_levels=LEVELS, feedforward_channels=64,
        z_range=(-5, 3), pillar_base='frame',
    ) | encoder  # fmt: skip
    grid = dict(x_range=encoder['x_range'], y_range=encoder['y_range'], cell_size=(high - low) / ROWS)
    return dict(
        img_backbone=dict(type='mmdet.ResNet', **BACKBONE),
        img_neck=dict(type='mmdet.FPN', **NECK),
        bev_encoder=encoder,
        seg_head=dict(
            type='BEVSegHead', in_channels=CHANNELS, channels=8, num_upsamples=0, grid=grid, classes=classes,
            coarse_classes={'road': classes},
        ),
    )  # fmt: skip


@needs_golden
@torch.no_grad()
def test_the_converted_encoder_reproduces_the_golden_outputs(official, model, golden, tmp_path):
    """From file to file, then through the model, without and with history."""
    torch.save({'state_dict': official, 'meta': {'epoch': 24}, 'optimizer': {'state': {}}}, tmp_path / 'official.pth')
    convert_checkpoint(tmp_path / 'official.pth', tmp_path / 'new' / 'ours.pth', model)
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['ours.pth']
    checkpoint = torch.load(tmp_path / 'new' / 'ours.pth', weights_only=True)
    assert checkpoint['meta']['source'] == 'official.pth'
    report = model.load_state_dict(checkpoint['state_dict'], strict=False)
    assert {name.split('.')[0] for name in report.missing_keys} == {'seg_head'} and not report.unexpected_keys
    encoder = model.eval().bev_encoder.encoder
    inputs = golden_inputs(golden)
    output = encoder(**inputs)
    torch.testing.assert_close(output.numpy(), golden['output_without_history'], atol=1e-4, rtol=0)
    output = encoder(**inputs, **golden_history(golden))
    torch.testing.assert_close(output.numpy(), golden['output_with_history'], atol=1e-4, rtol=0)


@needs_golden
@torch.no_grad()
def test_queries_positions_and_embeddings_find_their_places(official, model):
    model.load_state_dict(convert_state_dict(official).weights, strict=False)
    ours = model.bev_encoder
    assert torch.equal(ours.bev_embedding.weight, official[HEAD + 'bev_embedding.weight'])
    assert torch.equal(ours.cams_embeds, official[HEAD + 'transformer.cams_embeds'])
    assert torch.equal(ours.level_embeds, official[HEAD + 'transformer.level_embeds'][:LEVELS])
    # The original's query of row r and column c has the position (column's embedding, row's embedding).
    row, column = 7, 4
    names = ('col_embed', 'row_embed')
    columns, rows = (official[f'{HEAD}positional_encoding.{name}.weight'] for name in names)
    expected = torch.cat([columns[column], rows[row]])
    positions = ours.positional_encoding(torch.zeros(1, *ours.grid.shape, dtype=torch.bool))
    torch.testing.assert_close(positions[0, :, row, column], expected)
    weight = 'layer1.0.conv1.weight'
    assert torch.equal(model.img_backbone.get_parameter(weight), official[f'img_backbone.{weight}'])


@needs_golden
def test_the_report_tells_loaded_missing_and_unused(official, model):
    conversion = convert_state_dict({f'module.{name}': value for name, value in official.items()}, model)
    assert len(conversion.weights) + len(conversion.unused) == len(official)
    loaded, missing, unused = conversion.report().splitlines()
    assert loaded.startswith('loaded') and 'bev_encoder.encoder (52), ' in loaded
    assert missing == 'missing seg_head (7)'
    assert unused.split(None, 1)[1].split(', ') == [
        f'{HEAD}transformer.can_bus_mlp (3)', f'{HEAD}transformer.decoder (1)',
        f'{HEAD}transformer.reference_points (1)', f'{HEAD}query_embedding.weight (1)', f'{HEAD}cls_branches.0 (1)',
        f'{HEAD}code_weights (1)',
    ]  # fmt: skip
    assert convert_state_dict(official).missing == []


@needs_golden
def test_old_names_of_deformable_convolutions(official):
    official['img_backbone.layer3.0.conv2_offset.weight'] = torch.zeros(27, 4, 3, 3)
    weights = convert_state_dict(official).weights
    assert 'img_backbone.layer3.0.conv2.conv_offset.weight' in weights


@needs_golden
@pytest.mark.parametrize(
    ('encoder', 'message'),
    [
        (dict(num_layers=3), r'it lacks bev_encoder\.encoder\.layers\.2\.\S+ and 25 more'),
        (dict(num_layers=1), r'the model lacks bev_encoder\.encoder\.layers\.1\.'),
        (
            dict(feedforward_channels=128),
            r'layers\.0\.ffns\.0\.layers\.0\.0\.weight is \(64, 32\), the model has \(128',
        ),
    ],
)
def test_another_set_up_is_refused_and_nothing_written(official, encoder, message, tmp_path):
    torch.save(official, tmp_path / 'official.pth')
    with pytest.raises(ValueError, match=rf'official\.pth: .*another set-up than the config: .*{message}'):
        convert_checkpoint(tmp_path / 'official.pth', tmp_path / 'ours.pth', BEVSegmentor(**model_config(**encoder)))
    assert [path.name for path in tmp_path.iterdir()] == ['official.pth']


def test_other_files_are_refused(tmp_path):
    source, target = tmp_path / 'source.pth', tmp_path / 'ours.pth'
    with pytest.raises(FileNotFoundError, match=r'source\.pth does not exist'):
        convert_checkpoint(source, target)
    torch.save({'state_dict': {'backbone.conv1.weight': torch.zeros(1)}}, source)
    with pytest.raises(ValueError, match=r'none of the original BEVFormer; it begins with backbone\.conv1\.weight'):
        convert_checkpoint(source, target)
    torch.save([1, 2], source)
    with pytest.raises(ValueError, match='holds no dict of weights but a list'):
        convert_checkpoint(source, target)
    torch.save({'state_dict': {}, 'meta': {'path': Path('x')}}, source)
    with pytest.raises(ValueError, match='is refused'):
        convert_checkpoint(source, target)
    assert not target.exists()


@needs_golden
def test_the_tool_checks_against_a_config(official, tmp_path, monkeypatch, capsys):
    torch.save({'state_dict': official}, tmp_path / 'official.pth')
    config = tmp_path / 'config.py'
    imports = ['ssl_bev.components', 'projects.BEVFormer.bevformer']
    model = dict(type='BEVSegmentor', **model_config())
    config.write_text(f'custom_imports = dict(imports={imports})\ndefault_scope = "mmdet3d"\nmodel = {model}\n')
    command = [str(TOOL), str(tmp_path / 'official.pth'), str(tmp_path / 'ours.pth'), '--config', str(config)]
    monkeypatch.setattr(sys, 'argv', command)
    runpy.run_path(str(TOOL), run_name='__main__')
    assert 'missing seg_head (7)' in capsys.readouterr().out
    monkeypatch.setattr(sys, 'argv', [str(TOOL), str(tmp_path / 'nowhere.pth'), str(tmp_path / 'x.pth')])
    with pytest.raises(SystemExit, match=r'error: checkpoint .*nowhere\.pth does not exist'):
        runpy.run_path(str(TOOL), run_name='__main__')
