"""Evidence in, maps out."""

import numpy as np
import pytest
import torch
from mmdet3d.registry import MODELS
from torch import nn

from ssl_bev.datasets import PackEvidence
from ssl_bev.models import MapCompletion
from ssl_bev.structures import BEVDataSample

GRID = dict(x_range=(-4.0, 4.0), y_range=(-2.0, 2.0), cell_size=0.5)
FINE, COARSE = ('drivable_area', 'stop_line'), dict(drivable=['drivable_area'], marking=['stop_line'])
GEOMETRY = dict(bev_classes=list(FINE), **GRID)


@MODELS.register_module()
class OneConvolution(nn.Conv2d):
    def __init__(self, in_channels):
        super().__init__(in_channels, 8, 3, padding=1)

    def forward(self, evidence):
        return [evidence, super().forward(evidence)]


def make_model():
    torch.manual_seed(0)
    head = dict(type='BEVSegHead', in_channels=8, channels=8, num_upsamples=0, grid=GRID, classes=FINE)
    head.update(coarse_classes=COARSE)
    backbone, loss = dict(type='OneConvolution', in_channels=4), dict(type='SegmentationLoss')
    model = MapCompletion(('drivable', 'paint'), backbone, head, loss)
    model.init_weights()
    return model


def batch_of(*seeds, labelled=True):
    evidence = torch.stack([torch.rand(4, 8, 16, generator=torch.Generator().manual_seed(s)) for s in seeds])
    samples = []
    for seed, each in zip(seeds, evidence, strict=True):
        sample = BEVDataSample(metainfo=dict(evidence_classes=['drivable', 'paint'], sample_token=f't{seed}'))
        if labelled:
            sample.set_metainfo(GEOMETRY)
            sample.gt_bev_seg = (each[:2] > 0.5).to(torch.uint8)  # the labels are what was seen
        samples.append(sample)
    return dict(evidence=evidence), samples


def test_packed_evidence_says_what_was_seen_and_how_well():
    shape = (2, 3, 4)
    results = dict(
        frames=[dict(token='a')], accumulated_classes=['drivable', 'paint'],
        accumulated_probability=np.full(shape, 255, np.uint8), accumulated_weight=np.full(shape, 51, np.uint8),
    )  # fmt: skip
    results['accumulated_probability'][1] = 102
    results['accumulated_weight'][0, 0] = 0  # not looked at
    packed = PackEvidence().transform(results)
    evidence, sample = packed['inputs']['evidence'], packed['data_samples']
    assert evidence.shape == (4, 3, 4) and evidence.dtype == torch.float32
    torch.testing.assert_close(evidence[:, 0, 0], torch.tensor([0.0, 0.4 * 0.2, 0.0, 0.2]))
    torch.testing.assert_close(evidence[:, 1, 0], torch.tensor([0.2, 0.4 * 0.2, 0.2, 0.2]))
    assert sample.sample_token == 'a' and 'gt_bev_seg' not in sample


def test_it_learns_how_labels_are_drawn_and_predicts_them():
    model = make_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    inputs, samples = batch_of(*range(8))
    for _ in range(150):
        optimizer.zero_grad()
        loss = model(inputs, samples, 'loss')['loss_seg']
        loss.backward()
        optimizer.step()
    assert not model.seg_head.coarse.weight.requires_grad  # no rank of a distributed run waits for it
    inputs, samples = batch_of(20, 21)
    with torch.no_grad():
        for sample in model.eval()(inputs, samples, 'predict'):
            assert sample.pred_classes == FINE and sample.cell_size == 0.5
            agreement = ((sample.pred_bev_seg > 0.5) == (sample.gt_bev_seg > 0)).float().mean()
            assert agreement > 0.9


def test_samples_of_a_batch_do_not_mix_and_unlabelled_ones_teach_nothing():
    model = make_model().eval()
    (inputs, samples), (alone, _) = batch_of(1, 2), batch_of(2)
    torch.testing.assert_close(model(inputs, samples)['fine'][1:], model(alone, samples[1:])['fine'])
    losses = model(*batch_of(1, labelled=False), 'loss')
    losses['loss_seg'].backward()
    assert losses['loss_seg'] == 0 and all(not p.grad.any() for p in model.parameters() if p.requires_grad)


def test_evidence_of_other_classes_is_refused():
    inputs, samples = batch_of(1)
    samples[0].set_metainfo(dict(evidence_classes=['paint', 'drivable']))
    with pytest.raises(
        ValueError, match=r"evidence of sample t1 has the classes \('paint', 'drivable'\), the model has"
    ):
        make_model()(inputs, samples)
    with pytest.raises(ValueError, match="mode must be 'loss', 'predict' or 'tensor', got 'train'"):
        make_model()(*batch_of(1), 'train')
