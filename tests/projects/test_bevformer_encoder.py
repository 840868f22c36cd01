"""The whole BEV encoder: batches, cameras, history and gradients."""

import pytest
import torch
from bevformer_rig import BEV_SIZE, CONFIG, build_bevformer, two_samples
from mmdet3d.registry import MODELS

from ssl_bev.geometry import rotation_z, translation


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def choose(inputs, samples):
    """The inputs of some of the samples, in that order."""

    def pick(value):
        if isinstance(value, torch.Tensor):
            return value[samples]
        return [level[samples] for level in value] if isinstance(value, list) else value

    return {name: pick(value) for name, value in inputs.items()}


@torch.no_grad()
def test_samples_of_a_batch_do_not_mix(generator):
    model, inputs = build_bevformer(generator), two_samples(generator)
    together = model.encode(**inputs)
    assert together.shape == (2, *BEV_SIZE)
    alone = torch.cat([model.encode(**choose(inputs, [sample])) for sample in (0, 1)])
    torch.testing.assert_close(together, alone)
    torch.testing.assert_close(model.encode(**choose(inputs, [1, 0, 1])), together[[1, 0, 1]])


@torch.no_grad()
def test_a_sample_without_history_is_as_alone_without_any(generator):
    model, inputs = build_bevformer(generator), two_samples(generator)
    together = model.encode(**inputs)
    none = dict.fromkeys(('history', 'current2history', 'history_valid'))
    torch.testing.assert_close(together[:1], model.encode(**{**choose(inputs, [0]), **none}))
    assert not torch.allclose(together[1:], model.encode(**{**choose(inputs, [1]), **none}), atol=1e-2)


@torch.no_grad()
def test_an_invalid_history_may_hold_anything(generator):
    model, inputs = build_bevformer(generator), two_samples(generator)
    expected = model.encode(**inputs)
    inputs['history'][0] = float('nan')
    torch.testing.assert_close(model.encode(**inputs), expected)


@torch.no_grad()
def test_a_history_of_all_is_that_of_none_named(generator):
    model, inputs = build_bevformer(generator), two_samples(generator)
    named = model.encode(**{**inputs, 'history_valid': torch.tensor([True, True])})
    assert torch.equal(named, model.encode(**{**inputs, 'history_valid': None}))


@torch.no_grad()
def test_identity_leaves_the_history_as_it_is(generator):
    model, inputs = build_bevformer(generator), two_samples(generator)
    inputs['current2history'] = torch.eye(4).expand(2, -1, -1)
    as_given = {**inputs, 'current2history': None}
    torch.testing.assert_close(model.encode(**inputs), model.encode(**as_given))


@torch.no_grad()
def test_history_by_whole_cells_is_rolled_and_new_cells_take_the_queries(generator):
    model, inputs = build_bevformer(generator), choose(two_samples(generator), [1])
    # The car drove 2 m, two cells, along x: what was at column 5 is at column 3 now.
    inputs['current2history'] = translation(torch.tensor([[2.0, 0, 0]]))
    rolled = inputs['history'].roll(-2, dims=3)
    queries = model.bev_embedding.weight.T.unflatten(1, BEV_SIZE[1:])
    rolled[..., -2:] = queries[..., -2:]
    expected = model.encode(**{**inputs, 'history': rolled, 'current2history': None})
    torch.testing.assert_close(model.encode(**inputs), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_history_turns_about_the_ego_of_any_grid(generator):
    model, inputs = build_bevformer(generator, x_range=(-6, 6), y_range=(-4, 4)), choose(two_samples(generator), [1])
    inputs['current2history'] = rotation_z(torch.tensor([torch.pi]))
    turned = {**inputs, 'history': inputs['history'].flip(2, 3), 'current2history': None}
    torch.testing.assert_close(model.encode(**inputs), model.encode(**turned), atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize('num_cameras', [1, 5, 6])
def test_any_number_of_cameras(generator, num_cameras):
    model, inputs = build_bevformer(generator), two_samples(generator, num_cameras)
    output = model.encode(**inputs)
    assert output.isfinite().all()
    inputs['image_features'][0] = inputs['image_features'][0] + 1
    assert not torch.allclose(model.encode(**inputs), output)


@torch.no_grad()
@pytest.mark.parametrize('missing', [[0], [0, 2], [1, 2]])
def test_a_missing_camera_is_as_if_it_were_not_there(generator, missing):
    """Only in the sample that lacks it, and whatever stands in its place."""
    model, inputs = build_bevformer(generator), two_samples(generator)
    full = model.encode(**inputs)
    there = [camera for camera in range(3) if camera not in missing]
    alone = choose(inputs, [1])
    alone['image_features'] = [level[:, there] for level in alone['image_features']]
    alone['bev2img'] = alone['bev2img'][:, there]
    fewer = build_bevformer(generator)
    fewer.load_state_dict(model.state_dict())
    fewer.cams_embeds[: len(there)] = model.cams_embeds[there]
    expected = fewer.encode(**alone)
    for level in inputs['image_features']:
        level[1, missing] = 100.0
    inputs['bev2img'][1, missing] = inputs['bev2img'][0, 0]
    valid = torch.ones(2, 3, dtype=torch.bool)
    valid[1, missing] = False
    output = model.encode(**inputs, camera_valid=valid)
    torch.testing.assert_close(output[:1], full[:1])
    torch.testing.assert_close(output[1:], expected)
    assert not torch.allclose(output[1:], full[1:], atol=1e-2)


@torch.no_grad()
def test_a_sample_without_any_camera_has_its_history(generator):
    model, inputs = build_bevformer(generator), two_samples(generator)
    output = model.encode(**inputs, camera_valid=torch.zeros(2, 3, dtype=torch.bool))
    blind = {**inputs, 'image_features': [torch.zeros_like(level) for level in inputs['image_features']]}
    torch.testing.assert_close(output, model.encode(**blind, camera_valid=torch.zeros(2, 3, dtype=torch.bool)))
    assert output.isfinite().all() and not torch.allclose(output[0], output[1], atol=1e-2)


@torch.no_grad()
def test_cameras_may_change_places_if_their_embeddings_do(generator):
    model, inputs = build_bevformer(generator), two_samples(generator)
    output = model.encode(**inputs)
    order = [2, 0, 1]
    inputs['image_features'] = [level[:, order] for level in inputs['image_features']]
    inputs['bev2img'] = inputs['bev2img'][:, order]
    model.cams_embeds[:3] = model.cams_embeds[order]
    torch.testing.assert_close(model.encode(**inputs), output)


def test_a_batch_in_which_no_pillar_is_visible_trains_on(generator):
    """All cameras look at the sky: the output is that of the queries alone, and every parameter has a gradient."""
    model, inputs = build_bevformer(generator), two_samples(generator)
    inputs['bev2img'][..., 1, :] += 1e5 * inputs['bev2img'][..., 2, :]
    output = model.encode(**inputs)
    output.square().sum().backward()
    changed = dict(inputs, image_features=[level + 1 for level in inputs['image_features']])
    torch.testing.assert_close(model.encode(**changed), output)
    assert output.isfinite().all()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@torch.no_grad()
def test_the_road_carries_the_pillars(generator):
    inputs = choose(two_samples(generator), [0])
    lower = {**inputs, 'road': translation(torch.tensor([[0.0, 0, -1.84]]))}
    on_road, in_frame = build_bevformer(generator), build_bevformer(generator, pillar_base='frame')
    in_frame.load_state_dict(on_road.state_dict())
    in_frame.z_range = (-1 - 1.84, 3 - 1.84)
    torch.testing.assert_close(on_road.encode(**lower), in_frame.encode(**inputs))
    assert not torch.allclose(on_road.encode(**lower), on_road.encode(**inputs), atol=1e-2)


def test_gradients_reach_all_parameters_and_inputs(generator):
    model, inputs = build_bevformer(generator, in_channels=[5, 7]).train(), two_samples(generator)
    shapes = zip((5, 7), inputs['image_features'], strict=True)
    inputs['image_features'] = [torch.randn(2, 3, c, *f.shape[3:]).requires_grad_() for c, f in shapes]
    inputs['history'].requires_grad_()
    model.encode(**inputs).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
    assert all(features.grad.any() for features in inputs['image_features'])
    assert inputs['history'].grad[1].any() and not inputs['history'].grad[0].any()


@pytest.mark.parametrize('training', [False, True])
def test_checkpointing_changes_nothing(generator, training):
    plain, frugal = build_bevformer(generator), build_bevformer(generator, with_cp=True)
    frugal.load_state_dict(plain.state_dict())
    inputs = two_samples(generator)
    outputs = []
    for model in (plain, frugal):
        torch.manual_seed(0)  # dropout
        outputs.append(model.train(training).encode(**inputs))
        outputs[-1].square().sum().backward()
    torch.testing.assert_close(*outputs)
    for one, other in zip(plain.parameters(), frugal.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_bfloat16_autocast_stays_close_and_trains(generator):
    # Projections and sampling stay in float32; what bfloat16's 8 bits cost is within 5 %, of values and gradients.
    results = []
    model, inputs = build_bevformer(generator), two_samples(generator)
    for enabled in (False, True):
        features = [level.clone().requires_grad_() for level in inputs['image_features']]
        with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            output = model.encode(**{**inputs, 'image_features': features})
        gradients = torch.autograd.grad(output.float().square().mean(), [*features, *model.parameters()])
        results.append([output.float(), torch.cat([gradient.flatten() for gradient in gradients])])
    for exact, rounded in zip(*results, strict=True):
        assert (rounded - exact).norm() < 0.05 * exact.norm()


@torch.no_grad()
def test_fresh_weights_see_the_images(generator):
    model, inputs = MODELS.build(CONFIG), choose(two_samples(generator), [0])
    model.init_weights()
    model.eval()
    output = model.encode(**inputs)
    assert 0.5 < output.std() < 2
    inputs['image_features'] = [-level for level in inputs['image_features']]
    assert (model.encode(**inputs) - output).abs().mean() > 0.05


@torch.no_grad()
def test_inputs_stay_unchanged(generator):
    model, inputs = build_bevformer(generator), two_samples(generator)
    copies = {name: value.clone() for name, value in inputs.items() if isinstance(value, torch.Tensor)}
    model.encode(**inputs)
    assert all(torch.equal(inputs[name], copy) for name, copy in copies.items())
