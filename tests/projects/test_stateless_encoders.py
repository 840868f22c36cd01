"""What every stateless camera encoder owes: samples and cameras that do not disturb each other, errors, precision."""

from dataclasses import replace

import pytest
import torch
from bevformer_rig import IMAGE_SIZE, randomize
from encoder_rig import blind_rigs, choose, make_rig, two_sample_rig
from mmdet3d.registry import MODELS
from mmengine.utils import import_modules_from_strings

from ssl_bev.models.bev_encoder import BEVEncoder, FrameInputs

import_modules_from_strings(['projects.LiftSplat.lift_splat', 'projects.SimpleBEV.simple_bev'])

CHANNELS = 5
COMMON = dict(x_range=(-6, 6), y_range=(-4, 4), bev_shape=(8, 12), in_channels=CHANNELS, embed_dims=16)
ENCODERS = {
    'LiftSplat': dict(COMMON, type='LiftSplat', depth_range=(1, 7, 1)),
    'SimpleBEV': dict(COMMON, type='SimpleBEV'),
}


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture(params=ENCODERS)
def config(request):
    return ENCODERS[request.param]


@pytest.fixture
def encoder(config, generator):
    return randomize(MODELS.build(config), generator)


@pytest.fixture
def features(generator):
    return torch.randn(2, 3, CHANNELS, 8, 12, generator=generator)


def encode(encoder, features, rig):
    bev, state = encoder(FrameInputs([features], IMAGE_SIZE), rig)
    assert state is None
    return bev


@torch.no_grad()
def test_samples_of_a_batch_do_not_mix(encoder, features):
    encoder.train()  # not by normalisation either
    rig = two_sample_rig()
    together = encode(encoder, features, rig)
    assert together.shape == (2, 16, 8, 12) and not torch.allclose(together[0], together[1], atol=1e-2)
    for samples in ([0], [1], [1, 0, 1]):
        output = encode(encoder, features[samples], choose(rig, samples))
        torch.testing.assert_close(output, together[samples], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_order_of_the_cameras_does_not_matter(encoder, features):
    rig, order = two_sample_rig(), [2, 0, 1]
    turned = replace(rig, bev2img=rig.bev2img[:, order], camera_valid=rig.camera_valid[:, order])
    output = encode(encoder, features[:, order], turned)
    torch.testing.assert_close(output, encode(encoder, features, rig), atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize('missing', [[0], [0, 2], [1, 2]])
@pytest.mark.parametrize('calibration', [0.0, float('nan')])
def test_a_missing_camera_is_as_if_it_were_not_there(encoder, features, missing, calibration):
    """Only in the sample that lacks it, and whatever stands in its place."""
    rig = two_sample_rig()
    rig.camera_valid[:] = True
    full = encode(encoder, features, rig)
    there = [camera for camera in range(3) if camera not in missing]
    alone = make_rig(rig.bev2img[1:, there], rig.road2bev[1:])
    expected = encode(encoder, features[1:, there], alone)
    features[1, missing], rig.bev2img[1, missing], rig.camera_valid[1, missing] = 100.0, calibration, False
    output = encode(encoder, features, rig)
    torch.testing.assert_close(output[:1], full[:1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(output[1:], expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(output[1:], full[1:], atol=1e-2)


@pytest.mark.parametrize('blind', [0, 1])
@pytest.mark.parametrize('randomized', [True, False])
def test_cameras_that_see_nothing_do_no_harm(config, generator, features, blind, randomized):
    encoder = MODELS.build(config)
    encoder = randomize(encoder, generator) if randomized else encoder
    features.requires_grad_()
    output = encode(encoder, features, blind_rigs()[blind])
    output.square().sum().backward()
    assert output.isfinite().all() and not features.grad.any()
    assert torch.equal(output, encode(encoder, features + 1, blind_rigs()[blind]))
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_gradients_reach_all_parameters_and_inputs(encoder, features):
    features.requires_grad_()
    rig = two_sample_rig()
    encode(encoder, features, rig).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name
    assert features.grad.isfinite().all()
    assert features.grad.flatten(2).any(-1).tolist() == rig.camera_valid.tolist()


def test_bfloat16_autocast_stays_close_and_trains(encoder, features):
    # Rays, projections, sampling and sums stay in float32; the convolutions are rounded.
    results, rig = [], two_sample_rig()
    for enabled in (False, True):
        maps = features.clone().requires_grad_()
        with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            output = encode(encoder, maps, rig)
        gradients = torch.autograd.grad(output.float().square().mean(), [maps, *encoder.parameters()])
        results.append([output.float(), torch.cat([gradient.flatten() for gradient in gradients])])
    for exact, rounded in zip(*results, strict=True):
        assert (rounded - exact).norm() < 0.02 * exact.norm()


@torch.no_grad()
def test_fresh_weights_see_the_images(config, features):
    encoder = MODELS.build(config)
    encoder.init_weights()
    output = encode(encoder, features, two_sample_rig())
    assert 0.3 < output.std() < 3
    assert (encode(encoder, -features, two_sample_rig()) - output).abs().mean() > 0.05


def test_pretrained_weights_are_kept(config, encoder, tmp_path):
    path = str(tmp_path / 'encoder.pth')
    torch.save(encoder.state_dict(), path)
    loaded = MODELS.build(dict(config, init_cfg=dict(type='Pretrained', checkpoint=path)))
    loaded.init_weights()
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, encoder.state_dict()[name]), name


@torch.no_grad()
def test_any_level_may_be_chosen(config, encoder, features):
    other = randomize(MODELS.build(dict(config, level=-1)), torch.Generator().manual_seed(1))
    other.load_state_dict(encoder.state_dict())
    inputs = FrameInputs([torch.zeros(2, 3, 7, 4, 6), features], IMAGE_SIZE)
    assert torch.equal(other(inputs, two_sample_rig())[0], encode(encoder, features, two_sample_rig()))


@torch.no_grad()
def test_it_has_no_state_and_leaves_its_inputs_alone(encoder, features):
    rig = two_sample_rig()
    copies = {name: value.clone() for name, value in vars(rig).items() if torch.is_tensor(value)}
    assert isinstance(encoder, BEVEncoder) and not encoder.stateful
    inputs = FrameInputs([features], IMAGE_SIZE, state_valid=torch.tensor([False, True]))
    assert torch.equal(encoder(inputs, rig, 'anything')[0], encode(encoder, features.clone(), rig))
    assert all(torch.equal(getattr(rig, name), copy) for name, copy in copies.items())


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'bev_shape': (8, 8)}, r'cells of 1\.5000 m along x and 1\.0000 m along y .* must be square'),
        ({'z_range': (1, 1)}, r'z_range must be \(lowest, highest\) with lowest < highest, got \(1, 1\)'),
        ({'embed_dims': 12}, 'embed_dims must be a multiple of 8 unless norm_cfg is given, got 12'),
    ],
)
def test_wrong_options(config, options, message):
    arguments = {name: value for name, value in {**config, **options}.items() if name != 'type'}
    with pytest.raises(ValueError, match=message):
        MODELS.get(config['type'])(**arguments)


@pytest.mark.parametrize(
    ('inputs', 'rig', 'message'),
    [
        ({'image_size': None}, {}, r'image_size \(height, width\) .* is needed, got None'),
        ({'image_features': []}, {}, 'level 0 of image_features is configured, got 0 levels'),
        (
            {'image_features': [torch.zeros(2, 3, 4, 8, 12)]},
            {},
            r'image_features\[0\] must have .* \(2, 3, 5\), of bev2img and in_channels, got \(2, 3, 4, 8, 12\)',
        ),
        ({'image_features': [torch.zeros(6, 5, 8, 12)]}, {}, r'image_features\[0\] must have .* got \(6, 5, 8, 12\)'),
        ({}, {'bev2img': torch.zeros(2, 4, 3, 4, 4)}, r'bev2img of one frame must .* got \(2, 4, 3, 4, 4\)'),
        ({}, {'road2bev': torch.eye(4)}, r'road2bev must have the shape \(2, 4, 4\), got \(4, 4\)'),
        (
            {},
            {'camera_valid': torch.ones(2, 3)},
            r'camera_valid must be a bool tensor of shape \(2, 3\), got torch.float32',
        ),
    ],
)
def test_wrong_inputs(encoder, features, inputs, rig, message):
    with pytest.raises(ValueError, match=message):
        encoder(replace(FrameInputs([features], IMAGE_SIZE), **inputs), replace(two_sample_rig(), **rig))
