"""The wiring, with an encoder of a few lines."""

import logging

import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.logging import MMLogger
from torch import nn
from toy_segmentor import ALL, COARSE, FINE, OBJECTIVES, images, make_model, make_sample

from ssl_bev.models import BEVEncoder, Objective, ObjectiveSet


def test_losses_are_scaled_by_their_weights():
    model, batch = make_model(), [make_sample(0), make_sample(1)]
    model.set_loss_weights(ALL)
    single = model(images(2), batch, mode='loss')
    scales = dict(seg=2.0, reprojection=3.0, temporal=0.5, accumulated=4.0)
    model.set_loss_weights(scales)
    scaled = model(images(2), batch, mode='loss')
    for name, factor in scales.items():
        assert single[f'loss_{name}'] > 0
        torch.testing.assert_close(scaled[f'loss_{name}'], factor * single[f'loss_{name}'])


@pytest.mark.parametrize('active', list(ALL))
def test_the_same_keys_and_a_gradient_for_all_that_trains_in_every_phase(active):
    """What distributed training needs: no rank lacks a loss, nothing waits for a gradient that never comes."""
    model = make_model()
    model.set_loss_weights({active: 1.0})
    losses = model(images(1), [make_sample(0)], mode='loss')
    assert list(losses) == [f'loss_{name}' for name in ALL]
    assert [name for name, value in losses.items() if value != 0] == [f'loss_{active}']
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
        assert parameter.grad is None or parameter.grad.isfinite().all()
    trained = {name.split('.')[0] for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained >= ({'img_backbone', 'objectives'} if active == 'perspective' else {'bev_encoder', 'seg_head'})


def test_what_has_no_weight_is_neither_decayed_nor_computed():
    model = make_model()
    model.img_backbone.bias.requires_grad_(False)  # frozen by somebody else
    model.set_loss_weights(dict(seg=1.0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    called = []
    model.objectives['perspective'].register_forward_hook(lambda *_: called.append('perspective'))
    sum(model(images(1), [make_sample(0)], mode='loss').values()).backward()
    optimizer.step()
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert not called
    idle = ('seg_head.coarse', 'objectives.', 'img_backbone.bias')
    assert {name for name in before if not name.startswith(idle)} == changed
    model.set_loss_weights(ALL)
    assert {name for name, parameter in model.named_parameters() if not parameter.requires_grad} == {
        'img_backbone.bias'
    }


@pytest.mark.parametrize(('kind', 'level'), [('accumulated', 'coarse'), ('completed', 'fine')])
def test_soft_targets_train_the_map_of_their_classes_where_it_is_observed(kind, level):
    model, batch = make_model(), [make_sample(0), make_sample(1)]
    model.set_loss_weights({kind: 1.0})
    loss = model(images(2), batch, mode='loss')[f'loss_{kind}']
    assert [call['grad'] for call in model.bev_encoder.calls] == [False, False, True]
    logits = model(images(2), batch, mode='tensor')[level]
    probability = torch.stack([sample.get(f'{kind}_probability') for sample in batch]) / 255
    weight = torch.stack([sample.get(f'{kind}_weight') for sample in batch]) / 255
    entropy = -(probability * logits.sigmoid().log() + (1 - probability) * (1 - logits.sigmoid()).log())
    expected = (entropy * weight).sum((0, 2, 3)) / weight.sum((0, 2, 3))
    torch.testing.assert_close(loss, expected.mean())


def test_only_the_last_frames_have_gradients():
    model = make_model()
    for weights, grads in ((dict(seg=1.0), [False, False, True]), (dict(reprojection=1.0), [False, True, True])):
        model.bev_encoder.calls.clear()
        model.set_loss_weights(weights)
        model(images(1), [make_sample(0)], mode='loss')
        assert [call['grad'] for call in model.bev_encoder.calls] == grads


def test_an_encoder_without_a_state_sees_no_history():
    model = make_model()
    model.bev_encoder.stateful = False
    model.set_loss_weights(dict(temporal=1.0))
    model(images(1), [make_sample(0)], mode='loss')
    assert [call['grad'] for call in model.bev_encoder.calls] == [True, True]
    model.bev_encoder.calls.clear()
    model(images(1), [make_sample(0)], mode='tensor')
    assert len(model.bev_encoder.calls) == 1


def test_a_window_too_short_for_an_objective_is_said_once(caplog, monkeypatch):
    monkeypatch.setattr(MMLogger, 'get_current_instance', lambda: logging.getLogger('short'))
    model, sample = make_model(), make_sample(0)
    model.set_loss_weights(dict(seg=1.0, temporal=1.0))
    for _ in range(2):
        model(images(1), [sample], mode='loss')
    assert not caplog.records
    for key in ('bev2img', 'bev2global', 'road2bev', 'frame_valid'):
        sample.set_field(sample.get(key)[-1:], key)
    for _ in range(2):
        assert model(dict(img=images(1)['img'][:, -1:]), [sample], mode='loss')['loss_temporal'] == 0
    (record,) = caplog.records
    assert 'objective temporal (TemporalConsistencyLoss) trains nothing: it needs 2 frames and' in record.message
    assert 'the window has 1; raise num_frames of the dataset' in record.message


def test_a_stage_in_the_image_plane_runs_no_encoder_and_gives_the_same_loss():
    model, batch = make_model(), [make_sample(0), make_sample(1)]
    losses = []
    for weights in (dict(perspective=1.0), dict(perspective=1.0, seg=1.0)):
        model.set_loss_weights(weights)
        losses.append(model(images(2), batch, mode='loss')['loss_perspective'])
        assert bool(model.bev_encoder.calls) == ('seg' in weights)
    torch.testing.assert_close(*losses)


def test_a_state_is_valid_where_the_frame_before_is():
    model = make_model()
    model(images(2), [make_sample(0), make_sample(1)], mode='tensor')
    valid = [call['state_valid'] for call in model.bev_encoder.calls]
    assert valid[0] is None and valid[1].tolist() == [True, False] and valid[2].tolist() == [True, True]


def test_batch_independence():
    model, batch, pictures = make_model().eval(), [make_sample(0), make_sample(1)], images(2)['img']
    together = model(dict(img=pictures), batch, mode='tensor')
    for i in range(2):
        alone = model(dict(img=pictures[i : i + 1]), batch[i : i + 1], mode='tensor')
        for level in ('fine', 'coarse'):
            torch.testing.assert_close(together[level][i : i + 1], alone[level])


def test_padding_is_known_to_the_encoder_but_not_to_the_labels():
    model = make_model()
    model.set_loss_weights(dict(reprojection=1.0, perspective=1.0))
    padded = nn.functional.pad(images(1)['img'], (0, 0, 0, 16))
    losses = model(dict(img=padded), [make_sample(0)], mode='loss')
    assert losses['loss_reprojection'] > 0 and losses['loss_perspective'] > 0
    assert {call['size'] for call in model.bev_encoder.calls} == {(32, 32)}


def test_gradients_reach_every_parameter_under_autocast_after_frames_without_gradient():
    model = make_model()
    model.set_loss_weights(dict(seg=1.0))
    with torch.autocast('cpu', torch.bfloat16):
        losses = model(images(2), [make_sample(0), make_sample(1)], mode='loss')
    sum(losses.values()).backward()
    assert [call['grad'] for call in model.bev_encoder.calls] == [False, False, True]
    for name, parameter in model.named_parameters():
        assert not parameter.requires_grad or parameter.grad.abs().sum() > 0, name


def test_the_autocast_cache_is_cleared_where_gradients_begin(monkeypatch):
    """Older torch keeps half-precision weights that were made under no_grad, and they have no gradient."""
    model, cleared = make_model(), []
    monkeypatch.setattr(torch, 'clear_autocast_cache', lambda: cleared.append(len(model.bev_encoder.calls)))
    model.set_loss_weights(dict(seg=1.0))
    model(images(1), [make_sample(0)], mode='loss')
    assert cleared == [0, 2]  # the backbone's, and the encoder's


@pytest.mark.parametrize(('level', 'names'), [('fine', FINE), ('coarse', tuple(COARSE))])
def test_predict_adds_probabilities_with_their_names_and_grid(level, names):
    model = make_model().eval()
    model.seg_head.predict_classes = level
    sample = model(images(1), [make_sample(0)], mode='predict')[0]
    assert sample.pred_classes == names and sample.pred_bev_seg.shape == (len(names), 8, 16)
    assert (sample.x_range, sample.cell_size) == ((-8.0, 8.0), 1.0)
    logits = model(images(1), [make_sample(0)], mode='tensor')[level]
    torch.testing.assert_close(sample.pred_bev_seg, logits[0].sigmoid())


def test_points_alone_are_enough_for_an_encoder():
    """Neither backbone nor images: B lists of clouds, of the last frames."""

    @MODELS.register_module(name='ToyPointEncoder', force=True)
    class ToyPointEncoder(BEVEncoder):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 8)

        def forward(self, inputs, rig, state=None):
            assert inputs.image_size is None and not inputs.image_features
            mean = torch.stack([self.layer(cloud).mean(0) for cloud in inputs.points])
            return mean[..., None, None].expand(-1, -1, 4, 8), None

    model = make_model(img_backbone=None, bev_encoder=dict(type='ToyPointEncoder'))
    model.set_loss_weights(dict(reprojection=1.0))
    points = [[torch.randn(5, 3), torch.randn(7, 3)], [torch.randn(1, 3), torch.randn(2, 3)]]
    losses = model(dict(points=points), [make_sample(0), make_sample(1)], mode='loss')
    losses['loss_reprojection'].backward()
    assert model.bev_encoder.layer.weight.grad.abs().sum() > 0
    alone = model(dict(points=points[1:]), [make_sample(1)], mode='tensor')['fine']
    torch.testing.assert_close(model(dict(points=points), [make_sample(0), make_sample(1)])['fine'][1:], alone)


def test_an_objective_of_ones_own_is_a_class_and_a_config_key():
    @MODELS.register_module(name='Brightness', force=True)
    class Brightness(Objective):
        reads, num_frames = 'coarse', 3

        def loss(self, window):
            assert [frame.index for frame in window.frames] == [0, 1, 2]
            return sum(frame.maps['coarse'].logits.square().mean() for frame in window.frames)

    model = make_model()
    assert set(model.get_loss_weights().values()) == {1.0}
    model.objectives = ObjectiveSet(dict(brightness=dict(type='Brightness')))
    losses = model(images(1), [make_sample(0)], mode='loss')
    assert list(losses) == ['loss_brightness'] and losses['loss_brightness'] > 0


@pytest.mark.parametrize('name', ['type', 'reads', 'training', 'weights', 'a.b'])
def test_names_that_no_objective_can_have(name):
    with pytest.raises(ValueError, match=rf"objectives cannot be called \['{name}'\]"):
        ObjectiveSet({name: OBJECTIVES['seg']})


def test_an_objective_of_an_unknown_map_is_refused():
    @MODELS.register_module(name='Typo', force=True)
    class Typo(Objective):
        reads = 'course'

    with pytest.raises(ValueError, match="reads of objective x must be None, 'fine' or 'coarse', got 'course'"):
        ObjectiveSet(dict(x=dict(type='Typo')))


@pytest.mark.parametrize(
    ('weights', 'message'),
    [
        (dict(sge=1.0), "there is no objective 'sge' to weigh; did you mean 'seg'"),
        (dict(loss_reprojection=1.0), "no objective 'loss_reprojection' to weigh; did you mean 'reprojection'"),
        (dict(loss_self=1.0), "did you mean 'completed'"),
        (dict(seg=-1.0), 'must not be negative'),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        make_model().set_loss_weights(weights)


def test_training_without_any_weight_is_refused():
    model = make_model(loss_weights={})
    for names in ("'seg', 'reprojection', .*", ''):
        with pytest.raises(ValueError, match=rf'no objective has a weight, .* are \[{names}\]; give one a weight'):
            model(images(1), [make_sample(0)], mode='loss')
        model.objectives = ObjectiveSet({})


@pytest.mark.parametrize(
    ('argument', 'instead'),
    [('reprojection_head', 'objectives=dict'), ('self_loss', "kind='completed'"), ('reproject_frames', 'num_frames')],
)
def test_arguments_of_before_say_what_took_their_place(argument, instead):
    with pytest.raises(ValueError, match=f'{argument} any more; use .*{instead}'):
        make_model(**{argument: None})
    with pytest.raises(TypeError, match="no argument 'hed'"):
        make_model(hed=None)


def test_missing_labels_are_named():
    model, sample = make_model(), make_sample(0)
    del sample.pseudo_target
    model.set_loss_weights(dict(perspective=1.0))
    with pytest.raises(
        ValueError, match=r'objective perspective \(PerspectiveHead\) needs pseudo_target, sample sample0'
    ):
        model(images(1), [sample], mode='loss')


@pytest.mark.parametrize('batch_norm', [False, True])
def test_frames_share_backbone_calls_but_no_statistics(batch_norm, monkeypatch):
    """One call for the frames without gradient, one for those with; outputs, losses and statistics as one by one."""
    results, calls = [], []
    for together in (True, False):
        model = make_model()
        if batch_norm:
            model.img_neck = nn.ModuleList([nn.BatchNorm2d(8)])
            model.img_neck.forward = lambda levels, neck=model.img_neck: [neck[0](level) for level in levels]
        if not together:
            monkeypatch.setattr(type(model), '_batch_norm_trains', lambda self: True)
        calls.clear()
        model.img_backbone.register_forward_hook(
            lambda _, inputs, output: calls.append((len(inputs[0]), output[0].requires_grad))
        )
        model.set_loss_weights(ALL)
        losses = model(images(2), [make_sample(0), make_sample(1)], mode='loss')
        sum(losses.values()).backward()
        # Three frames of two cameras; the last two are trained.
        one_by_one = [(4, False), (4, True), (4, True)]
        assert calls == ([(4, False), (8, True)] if together and not batch_norm else one_by_one)
        results.append([*losses.values(), *(p.grad for p in model.parameters()), *model.buffers()])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)
