"""A detector that is not ours keeps its head, and learns from our objectives beside it."""

import copy

import pytest
import torch
from mmdet3d.models import Base3DDetector
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch import nn
from toy_segmentor import COARSE, FINE, GRID, OBJECTIVES, make_sample

RANGE = [-8.0, -8.0, -5.0, 8.0, 8.0, 3.0]
WANTED = ('seg', 'reprojection', 'accumulated')


@MODELS.register_module()
class ToyDetector(Base3DDetector):
    """Its neck gives two maps, of which the coarser is half as fine; its head draws random numbers as it starts."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.neck = ToyNeck()
        self.head = nn.Conv2d(4, 1, 1)
        self.unused = nn.Identity()

    def init_weights(self):
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.1)

    def extract_feat(self, inputs):
        return self.neck(inputs['points'])

    def loss(self, inputs, data_samples):
        return {'task0.loss_heatmap': self._forward(inputs).square().mean()}

    def predict(self, inputs, data_samples):
        results = [InstanceData(scores_3d=score[None]) for score in self._forward(inputs).amax((1, 2, 3))]
        return self.add_pred_to_datasample(data_samples, results)

    def _forward(self, inputs, data_samples=None):
        return self.head(self.extract_feat(inputs)[0])


class ToyNeck(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)

    def forward(self, points):
        features = self.conv(points)
        return features, nn.functional.avg_pool2d(features, 2)


def seg_head(**changes):
    """For features of 1 m; the label grid is 16 m by 8 m in cells of 1 m."""
    return (
        dict(
            type='BEVSegHead',
            in_channels=4,
            channels=8,
            num_upsamples=0,
            grid=GRID,
            classes=FINE,
            coarse_classes=COARSE,
        )
        | changes
    )


def make(**changes):
    torch.manual_seed(0)
    config = dict(
        type='DetectorWithObjectives',
        detector=dict(type='ToyDetector'),
        tap='neck',
        point_cloud_range=RANGE,
        seg_head=seg_head(),
        objectives={name: OBJECTIVES[name] for name in WANTED},
    )
    model = MODELS.build(ConfigDict({**config, **changes}))
    model.init_weights()
    return model


def make_batch(size=2):
    generator = torch.Generator().manual_seed(3)
    samples = []
    for seed in range(size):
        ours = make_sample(seed)
        sample = Det3DDataSample(metainfo={**ours.metainfo, 'bev_frame': 'lidar', 'sample_idx': seed})
        for key, value in ours.items():
            # Windows of one frame, the last.
            window = key in ('bev2img', 'bev2global', 'road2bev', 'frame_valid', 'pseudo_target', 'pseudo_confidence')
            sample.set_field(value[-1:] if window else value, key)
        samples.append(sample)
    return {'points': torch.randn(size, 2, 16, 16, generator=generator)}, samples


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


@pytest.mark.parametrize(
    ('changes', 'error'),
    [
        (dict(tap='nek'), "tap 'nek' is no module of ToyDetector; did you mean 'neck'"),
        (dict(tap='xyz'), "tap 'xyz' is no module of ToyDetector; it has data_preprocessor, neck, head"),
        (dict(point_cloud_range=[-8, -8, 8, 8]), 'must be two corners'),
        (dict(point_cloud_range=[-8, -2, -5, 8, 2, 3]), r'y_range \(-4.0, 4.0\) of the grid reaches beyond \(-2, 2\)'),
        (dict(objectives=dict(p=OBJECTIVES['perspective'])), r'objective p \(PerspectiveHead\) reads image features'),
    ],
)
def test_a_wrong_config_is_refused(changes, error):
    with pytest.raises(ValueError, match=error):
        make(**changes)


@pytest.mark.parametrize(
    ('changes', 'error'),
    [
        (dict(tap='unused'), "tap 'unused': the detector did not call this module"),
        (dict(level=2), r"tap 'neck' has no level 2; its levels are \[0, 1\]"),
        (dict(point_cloud_range=[-8, -4, -5, 8, 4, 3]), "tap 'neck' does not fit its point_cloud_range: .* square"),
        (dict(objectives=dict(x=OBJECTIVES['seg']), detector=dict(type='Rival')), 'the detector has loss_x of its own'),
        (dict(tap='head', detector=dict(type='Rival')), r'must give BEV features \(B, C, rows, columns\), got shape'),
    ],
)
def test_wrong_features_and_names_are_refused(changes, error):
    model, (inputs, samples) = make(**changes), make_batch()
    with pytest.raises(ValueError, match=error):
        model(inputs, samples, mode='loss')


@MODELS.register_module()
class Rival(BaseModel):
    """A loss that is called as one of ours, and a head that gives no map."""

    def __init__(self):
        super().__init__()
        self.neck = ToyNeck()
        self.head = nn.Flatten()

    def forward(self, inputs, data_samples, mode):
        return {'loss_x': self.head(self.neck(inputs['points'])[0]).mean()}


def test_samples_without_our_fields_say_what_to_add():
    model, (inputs, samples) = make(), make_batch()
    with pytest.raises(ValueError, match=r'no bev2img, .*; add AdaptMultiViewImages .*PackDetectionWithBEV'):
        model(inputs, [Det3DDataSample(), Det3DDataSample()], mode='loss')
    samples[0].set_metainfo(dict(bev_frame='ego'))
    with pytest.raises(ValueError, match="sample0 is in the frame 'ego', the features are in 'lidar'"):
        model(inputs, samples, mode='loss')
