"""A detector that is not ours keeps its head, and learns from our objectives beside it."""

import copy

import pytest
import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from toy_detector import WANTED, make, make_batch, seg_head
from toy_segmentor import FINE


def stock():
    torch.manual_seed(0)
    model = MODELS.build(dict(type='ToyDetector'))
    model.init_weights()
    return model


def test_objectives_stand_beside_the_detectors_losses():
    model, (inputs, samples) = make(), make_batch()
    losses = model(inputs, samples, mode='loss')
    assert list(losses) == ['task0.loss_heatmap', *(f'loss_{name}' for name in WANTED)]
    assert torch.equal(losses['task0.loss_heatmap'], stock()(inputs, samples, mode='loss')['task0.loss_heatmap'])
    before = model.detector.neck.conv.weight.grad
    losses['loss_reprojection'].backward()
    assert before is None and model.detector.neck.conv.weight.grad.abs().sum() > 0
    assert model.detector.head.weight.grad is None
    assert model.seg_head.coarse.weight.grad.abs().sum() > 0 and model.seg_head.fine.weight.grad is None


def test_without_weights_it_is_the_detector():
    """Initial weights, random numbers, losses, gradients, results; the samples need nothing of ours."""
    plain, follows = stock(), torch.rand(3)
    model = make(loss_weights={})
    assert torch.equal(torch.rand(3), follows)
    assert model.state_dict().keys() > {f'detector.{name}' for name in plain.state_dict()}
    for name, value in plain.state_dict().items():
        assert torch.equal(model.detector.state_dict()[name], value), name
    inputs, _ = make_batch()
    samples = [Det3DDataSample(), Det3DDataSample()]
    model.seg_head.forward = model.objectives.losses = lambda *_: pytest.fail('nothing weighs')
    found, expected = (m(inputs, samples, mode='loss') for m in (model, plain))
    assert found.keys() - expected.keys() == {f'loss_{name}' for name in WANTED}
    assert all(found[f'loss_{name}'] == 0 for name in WANTED)
    total, _ = model.parse_losses(found)
    total.backward()
    expected['task0.loss_heatmap'].backward()
    assert torch.equal(total, expected['task0.loss_heatmap'])
    for (name, mine), other in zip(model.detector.named_parameters(), plain.parameters(), strict=True):
        assert torch.equal(mine.grad, other.grad), name
    ours = [p for part in (model.seg_head, model.objectives) for p in part.parameters()]
    assert not any(p.requires_grad or p.grad is not None for p in ours)
    assert torch.equal(model(inputs), plain(inputs))


def test_results_are_the_detectors_with_a_map():
    model, plain = make().eval(), stock().eval()
    inputs, samples = make_batch()
    _, others = make_batch()
    with torch.no_grad():
        found, expected = model(inputs, samples, mode='predict'), plain(inputs, others, mode='predict')
    for mine, other in zip(found, expected, strict=True):
        assert torch.equal(mine.pred_instances_3d.scores_3d, other.pred_instances_3d.scores_3d)
        assert mine.pred_bev_seg.shape == (3, 8, 16) and mine.pred_classes == FINE
        assert (mine.x_range, mine.y_range, mine.cell_size) == ((-8.0, 8.0), (-4.0, 4.0), 1.0)
        assert mine.metainfo.keys() - other.metainfo.keys() == {'pred_classes'}
    boxes_only = make(predict_maps=False).eval()(inputs, [Det3DDataSample(), Det3DDataSample()], mode='predict')
    assert 'pred_bev_seg' not in boxes_only[0]
    with pytest.raises(ValueError, match='set predict_maps=False'):
        model([inputs], [[samples[0]]], mode='predict')


@pytest.mark.parametrize(('level', 'upsamples'), [(0, 0), (1, 1)])
def test_the_map_is_where_the_features_are(level, upsamples):
    """Rows grow with y: what lies at y = -4 ... 4 m is in the middle rows of the features."""
    model, (inputs, samples) = make(level=level, seg_head=seg_head(num_upsamples=upsamples)), make_batch()
    seen = []
    model.seg_head.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    model(inputs, samples, mode='loss')
    features = model.detector.neck(inputs['points'])[level]
    rows = slice(4, 12) if level == 0 else slice(2, 6)
    assert torch.equal(seen[0], features[:, :, rows])


def test_phases_pause_what_they_do_not_train():
    model = make()
    assert model.get_loss_weights() == dict.fromkeys(WANTED, 1.0)
    model.set_loss_weights(dict(seg=2.0))
    assert model.seg_head.fine.weight.requires_grad and not model.seg_head.coarse.weight.requires_grad
    model.set_loss_weights({})
    assert not any(p.requires_grad for p in model.seg_head.parameters())
    assert all(p.requires_grad for p in model.detector.parameters())
    model.init_fine_from_coarse()
    assert torch.equal(model.seg_head.fine.weight[1], model.seg_head.coarse.weight[1])
    with pytest.raises(ValueError, match="did you mean 'seg'"):
        model.set_loss_weights(dict(segg=1.0))


def test_the_detectors_preprocessor_and_its_config_stay():
    config = ConfigDict(type='ToyDetector', data_preprocessor=dict(type='Det3DDataPreprocessor'))
    before = copy.deepcopy(config)
    with DefaultScope.overwrite_default_scope('mmdet3d'):  # as in a run
        model = make(detector=config)
    assert model.data_preprocessor is model.detector.data_preprocessor and config == before
    assert type(model.data_preprocessor).__name__ == 'Det3DDataPreprocessor'
    assert copy.deepcopy(model)(make_batch()[0]).shape == (2, 1, 16, 16)
