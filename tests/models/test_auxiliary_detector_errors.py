"""What a detector with our objectives beside it refuses, and what it says."""

import pytest
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample
from mmengine.model import BaseModel
from torch import nn
from toy_detector import ToyNeck, make, make_batch
from toy_segmentor import OBJECTIVES


@MODELS.register_module()
class Rival(BaseModel):
    """A loss that is called as one of ours, and a head that gives no map."""

    def __init__(self):
        super().__init__()
        self.neck = ToyNeck()
        self.head = nn.Flatten()

    def forward(self, inputs, data_samples, mode):
        return {'loss_x': self.head(self.neck(inputs['points'])[0]).mean()}


@pytest.mark.parametrize(
    ('changes', 'error'),
    [
        (dict(tap='nek'), "tap 'nek' is no module of ToyDetector; did you mean 'neck'"),
        (dict(tap='xyz'), "tap 'xyz' is no module of ToyDetector; known: data_preprocessor, neck, head"),
        (dict(point_cloud_range=[-8, -8, 8, 8]), 'must be two corners'),
        (dict(point_cloud_range=[-8, -2, -5, 8, 2, 3]), r'y_range \(-4.0, 4.0\) of the grid reaches beyond \(-2, 2\)'),
        (dict(objectives=dict(p=OBJECTIVES['perspective'])), r'objective p \(PerspectiveHead\) reads image features'),
        (dict(objectives=dict(t=OBJECTIVES['temporal'])), r'objective t \(TemporalConsistencyLoss\) needs 2 frames'),
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


def test_samples_without_our_fields_say_what_to_add():
    model, (inputs, samples) = make(), make_batch()
    with pytest.raises(ValueError, match=r'no bev2img, .*; add AdaptMultiViewImages .*PackDetectionWithBEV'):
        model(inputs, [Det3DDataSample(), Det3DDataSample()], mode='loss')
    samples[0].set_metainfo(dict(bev_frame='ego'))
    with pytest.raises(ValueError, match="sample0 is in the frame 'ego', the features are in 'lidar'"):
        model(inputs, samples, mode='loss')
