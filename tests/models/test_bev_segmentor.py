"""The wiring, with an encoder of a few lines."""

import pytest
import torch
from toy_segmentor import ALL, COARSE, FINE, images, make_model, make_sample


def test_losses_are_scaled_by_their_weights():
    model, batch = make_model(), [make_sample(0), make_sample(1)]
    model.set_loss_weights(ALL)
    single = model(dict(img=images(2)), batch, mode='loss')
    scales = dict(loss_seg=2.0, loss_reprojection=3.0, loss_temporal=0.5, loss_accumulated=4.0)
    model.set_loss_weights(scales)
    scaled = model(dict(img=images(2)), batch, mode='loss')
    for name, factor in scales.items():
        assert single[name] > 0
        torch.testing.assert_close(scaled[name], factor * single[name])


@pytest.mark.parametrize('active', list(ALL))
def test_the_same_keys_and_a_graph_to_every_parameter_in_every_phase(active):
    """What distributed training needs: no rank may lack a loss or a gradient."""
    model = make_model()
    model.set_loss_weights({active: 1.0})
    losses = model(dict(img=images(1)), [make_sample(0)], mode='loss')
    assert list(losses) == list(ALL)
    assert [name for name, value in losses.items() if value != 0] == [active]
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(('kind', 'level'), [('accumulated', 'coarse'), ('completed', 'fine')])
def test_accumulated_targets_train_the_map_of_their_classes_where_it_is_observed(kind, level):
    model, batch = make_model(), [make_sample(0), make_sample(1)]
    model.set_loss_weights({f'loss_{kind}': 1.0})
    loss = model(dict(img=images(2)), batch, mode='loss')[f'loss_{kind}']
    assert [call['grad'] for call in model.bev_encoder.calls] == [False, False, True]
    logits = model(dict(img=images(2)), batch, mode='tensor')[level]
    probability = torch.stack([sample.get(f'{kind}_probability') for sample in batch]) / 255
    weight = torch.stack([sample.get(f'{kind}_weight') for sample in batch]) / 255
    entropy = -(probability * logits.sigmoid().log() + (1 - probability) * (1 - logits.sigmoid()).log())
    expected = (entropy * weight).sum((0, 2, 3)) / weight.sum((0, 2, 3))
    torch.testing.assert_close(loss, expected.mean())


def test_only_the_last_frames_have_gradients():
    model = make_model()
    model.set_loss_weights(dict(loss_seg=1.0))
    model(dict(img=images(1)), [make_sample(0)], mode='loss')
    assert [call['grad'] for call in model.bev_encoder.calls] == [False, False, True]
    model.bev_encoder.calls.clear()
    model.set_loss_weights(dict(loss_reprojection=1.0))
    model(dict(img=images(1)), [make_sample(0)], mode='loss')
    assert [call['grad'] for call in model.bev_encoder.calls] == [False, True, True]


def test_a_stage_in_the_image_plane_runs_no_encoder_and_gives_the_same_loss():
    model, batch = make_model(), [make_sample(0), make_sample(1)]
    losses = []
    for weights in (dict(loss_perspective=1.0), dict(loss_perspective=1.0, loss_seg=1.0)):
        model.set_loss_weights(weights)
        losses.append(model(dict(img=images(2)), batch, mode='loss')['loss_perspective'])
        assert bool(model.bev_encoder.calls) == ('loss_seg' in weights)
    torch.testing.assert_close(*losses)


def test_history_validity_is_that_of_the_frame_before():
    model = make_model()
    model(dict(img=images(2)), [make_sample(0), make_sample(1)], mode='tensor')
    valid = [call['history_valid'] for call in model.bev_encoder.calls]
    assert valid[0] is None and valid[1].tolist() == [True, False] and valid[2].tolist() == [True, True]


def test_batch_independence():
    model, batch, pictures = make_model().eval(), [make_sample(0), make_sample(1)], images(2)
    together = model(dict(img=pictures), batch, mode='tensor')
    for i in range(2):
        alone = model(dict(img=pictures[i : i + 1]), batch[i : i + 1], mode='tensor')
        for level in ('fine', 'coarse'):
            torch.testing.assert_close(together[level][i : i + 1], alone[level])


def test_padding_is_known_to_the_encoder_but_not_to_the_labels():
    model = make_model()
    model.set_loss_weights(dict(loss_reprojection=1.0))
    padded = torch.nn.functional.pad(images(1), (0, 0, 0, 16))
    losses = model(dict(img=padded), [make_sample(0)], mode='loss')
    assert losses['loss_reprojection'] > 0
    assert {call['size'] for call in model.bev_encoder.calls} == {(32, 32)}


@pytest.mark.parametrize(('level', 'names'), [('fine', FINE), ('coarse', tuple(COARSE))])
def test_predict_adds_probabilities_with_their_names_and_grid(level, names):
    model = make_model().eval()
    model.seg_head.predict_classes = level
    sample = model(dict(img=images(1)), [make_sample(0)], mode='predict')[0]
    assert sample.pred_classes == names and sample.pred_bev_seg.shape == (len(names), 8, 16)
    assert (sample.x_range, sample.cell_size) == ((-8.0, 8.0), 1.0)
    logits = model(dict(img=images(1)), [make_sample(0)], mode='tensor')[level]
    torch.testing.assert_close(sample.pred_bev_seg, logits[0].sigmoid())


@pytest.mark.parametrize(
    ('weights', 'message'),
    [
        (dict(loss_sge=1.0), "unknown loss 'loss_sge'"),
        (dict(loss_self=1.0), 'loss_self in loss_weights is now loss_completed'),
        (dict(loss_seg=-1.0), 'must not be negative'),
        (dict(loss_temporal=1.0), 'loss_temporal has the weight 1.0, but the model has no temporal_loss'),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        make_model(temporal_loss=None).set_loss_weights(weights)
