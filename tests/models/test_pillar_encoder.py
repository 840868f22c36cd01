"""A lidar encoder of stock modules: where points go, samples that do not disturb each other, empty clouds, errors."""

from types import SimpleNamespace

import pytest
import torch
from mmdet3d.registry import MODELS
from mmdet3d.utils import register_all_modules

from ssl_bev.models import BEVEncoder, FrameInputs

VOXELS = dict(max_num_points=3, max_voxels=200, voxel_size=(1.0, 1.0, 6.0), point_cloud_range=(-6, -4, -3, 6, 4, 3))
CONFIG = dict(
    type='PillarEncoder',
    voxel_layer=VOXELS,
    voxel_encoder=dict(type='PillarFeatureNet', in_channels=4, feat_channels=(8,), legacy=False),
    middle_encoder=dict(type='PointPillarsScatter', in_channels=8),
    backbone=dict(
        type='SECOND', in_channels=8, out_channels=[8, 16], layer_nums=[1, 1], layer_strides=[1, 2],
    ),
    neck=dict(type='SECONDFPN', in_channels=[8, 16], out_channels=[8, 8], upsample_strides=[1, 2]),
)  # fmt: skip


def build(**options):
    register_all_modules()
    torch.manual_seed(0)
    encoder = MODELS.build({**CONFIG, **options})
    encoder.init_weights()
    return encoder.eval()


@pytest.fixture(scope='module')
def encoder():
    return build()


def cloud(*rows):
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def encode(encoder, *clouds):
    """Nothing of the rig counts but the number of samples."""
    bev, state = encoder(FrameInputs(points=clouds), SimpleNamespace(bev2img=torch.zeros(len(clouds), 1, 4, 4)))
    assert state is None
    return bev


def random_cloud(seed, count=60):
    generator = torch.Generator().manual_seed(seed)
    spread = torch.tensor([7.0, 5.0, 3.0, 1.0])
    return (torch.rand(count, 4, generator=generator) * 2 - 1) * spread


@torch.no_grad()
def test_a_point_lands_in_the_cell_that_was_worked_out_by_hand(encoder):
    # x = 2.3 lies in [2, 3], the ninth column from -6 on; y = -1.6 lies in [-2, -1], the third row from -4 on.
    pillars = encoder.pillars(cloud([2.3, -1.6, 0.5, 0.1]), cloud([-5.9, 3.9, 0, 1], [7, 0, 0, 1], [0, 0, 4, 1]))
    assert pillars.shape == (2, 8, 8, 12)
    assert pillars[0].any(0).nonzero().tolist() == [[2, 8]]
    assert pillars[1].any(0).nonzero().tolist() == [[7, 0]]  # the others are outside

    empty, lit = encode(encoder, cloud(), cloud([2.3, -1.6, 0.5, 0.1]))
    assert lit.shape == (16, 8, 12)
    change = (lit - empty).abs().sum(0)  # spread by random convolutions
    rows, columns = (change.sum(axis) @ torch.arange(change.shape[1 - axis]).float() for axis in (1, 0))
    assert rows / change.sum() == pytest.approx(2, abs=1)
    assert columns / change.sum() == pytest.approx(8, abs=1)


@torch.no_grad()
def test_intensity_and_height_are_seen(encoder):
    base, *others = encode(
        encoder, cloud([2.3, -1.6, 0.5, 0.1]), cloud([2.3, -1.6, 1.5, 0.1]), cloud([2.3, -1.6, 0.5, 9])
    )
    assert all(not torch.allclose(base, other, atol=1e-4) for other in others)


@torch.no_grad()
def test_samples_of_a_batch_do_not_mix(encoder):
    clouds = [random_cloud(0), cloud(), random_cloud(1, 200)]
    together = encode(encoder, *clouds)
    for index, alone in enumerate(clouds):
        torch.testing.assert_close(together[index : index + 1], encode(encoder, alone))
    torch.testing.assert_close(together.flip(0), encode(encoder, *reversed(clouds)))
    assert not torch.allclose(together[0], together[2], atol=1e-2)


@pytest.mark.parametrize('training', [True, False])
def test_empty_clouds_give_finite_features_and_gradients(training):
    encoder = build().train(training)
    bev = encode(encoder, cloud(), cloud())
    bev.square().sum().backward()
    assert bev.isfinite().all()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    assert all(buffer.isfinite().all() for buffer in encoder.buffers())
    assert not encoder.pillars(cloud(), cloud()).any()


def test_it_trains_and_its_inputs_stay():
    encoder, clouds = build().train(), [random_cloud(0), random_cloud(1)]
    copies = [points.clone() for points in clouds]
    encode(encoder, *clouds).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name
    assert all(map(torch.equal, clouds, copies))
    assert isinstance(encoder, BEVEncoder) and not encoder.stateful


@torch.no_grad()
def test_autocast_does_not_round_the_points(encoder):
    points = random_cloud(0)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(encoder.pillars(points), encoder.pillars(points.clone()))
        rounded = encoder.pillars(points)
    assert torch.equal(rounded, encoder.pillars(points))


@torch.no_grad()
def test_without_a_neck_the_last_level_counts():
    assert encode(build(neck=None), random_cloud(0)).shape == (1, 16, 4, 6)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'voxel_size': (1, 0.5, 6)}, r'must be square in x and y, got \(1, 0.5, 6\)'),
        ({'voxel_size': (1, 1, 3)}, 'must be the height of point_cloud_range, 6, for pillars, got 3'),
        ({'voxel_size': (0.7, 0.7, 6)}, 'choose a range that is a whole multiple of the cell size'),
        ({'max_num_points': -1}, 'max_num_points of voxel_layer must be at least 1, got -1'),
    ],
)
def test_wrong_pillars(options, message):
    with pytest.raises(ValueError, match=message):
        build(voxel_layer={**VOXELS, **options})


def test_modules_must_agree():
    shape = dict(CONFIG['middle_encoder'], output_shape=[12, 8])
    with pytest.raises(ValueError, match=r'output_shape of PointPillarsScatter must be .* \(8, 12\), got \(12, 8\)'):
        build(middle_encoder=shape)
    with pytest.raises(ValueError, match='voxel_size of PillarFeatureNet must be that of voxel_layer'):
        build(voxel_encoder=dict(CONFIG['voxel_encoder'], voxel_size=(0.2, 0.2, 8)))
    build(middle_encoder=dict(shape, output_shape=[8, 12]))


def test_wrong_points(encoder):
    rig = SimpleNamespace(bev2img=torch.zeros(2, 1, 4, 4))
    with pytest.raises(ValueError, match='needs the points of 2 samples, got 0 clouds; put LoadBEVPoints'):
        encoder(FrameInputs(), rig)
    with pytest.raises(ValueError, match=r'points must have the shape \(P, 4\), .* got \(5, 5\)'):
        encoder(FrameInputs(points=[torch.zeros(1, 4), torch.zeros(5, 5)]), rig)
