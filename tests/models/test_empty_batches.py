"""Batches without a valid pixel, history or label train on: the same losses by name, gradients for all, no NaN."""

import pytest
import torch
from distributed_worker import images_of, make_real_model
from emptied import KINDS
from mmengine.optim import OptimWrapper
from toy_segmentor import make_sample


@pytest.fixture(scope='module')
def keys():
    return make_real_model()(dict(img=images_of([0, 1])), [make_sample(0), make_sample(2)], mode='loss').keys()


@pytest.mark.parametrize('everywhere', [True, False], ids=['all samples', 'one of two samples'])
@pytest.mark.parametrize('empty', KINDS, ids=lambda kind: kind.__name__)
def test_a_batch_trains_on(keys, empty, everywhere):
    model = make_real_model()
    samples = [make_sample(0), make_sample(2)]
    for sample in samples if everywhere else samples[:1]:
        empty(sample)
    losses = model(dict(img=images_of([0, 1])), samples, mode='loss')
    assert losses.keys() == keys
    assert all(loss.isfinite().all() for loss in losses.values())

    optimizer = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-3))
    total, _ = model.parse_losses(losses)
    total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, f'{name} would stop a distributed training'
        assert parameter.grad.isfinite().all(), name
    optimizer.step()
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_what_nothing_is_known_about_is_worth_nothing(keys):
    model, sample = make_real_model(), make_sample(0)
    KINDS[-1](sample)
    losses = model(dict(img=images_of([0])), [sample], mode='loss')
    assert {name: loss.item() for name, loss in losses.items()} == dict.fromkeys(keys, 0.0)
