"""Costs counted on meta tensors, and a model as ONNX; both of a small model on random batches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from distributed_worker import make_real_model
from export_onnx import check, example_inputs, export
from step_cost import Cost, count_step
from torch import nn
from torch.utils import flop_counter
from toy_segmentor import make_model

import projects.SimpleBEV.simple_bev  # noqa: F401, registers it
from ssl_bev.apis import random_batch

IMAGE_SIZE = (16, 32)
newer_torch = pytest.mark.skipif(not hasattr(flop_counter, 'flop_registry'), reason='torch 2.1 can do neither')
PREPROCESSOR = dict(type='BEVDataPreprocessor')


def test_a_random_batch_serves_every_objective():
    model = make_real_model(PREPROCESSOR)
    first, second = (random_batch(model, IMAGE_SIZE, 3, batch_size=2, num_cameras=2) for _ in range(2))
    assert torch.equal(first['inputs']['img'][1], second['inputs']['img'][1])
    losses = model(**model.data_preprocessor(first, True), mode='loss')
    assert all(value > 0 for value in losses.values())


@newer_torch
def test_counted_operations_are_those_of_a_real_step():
    area = dict(x_range=(-8, 8), y_range=(-4, 4), bev_shape=(4, 8), in_channels=8, embed_dims=8)
    weights = dict(seg=1.0, perspective=0.5)
    model = make_model(bev_encoder=dict(type='SimpleBEV', **area), data_preprocessor=PREPROCESSOR)
    model.set_loss_weights(weights)
    data = model.data_preprocessor(random_batch(model, IMAGE_SIZE, 2), True)
    with flop_counter.FlopCounterMode(display=False) as counter:
        sum(model(**data, mode='loss').values()).backward()
    cost = count_step(model, IMAGE_SIZE, 2, 1, weights)
    assert cost.flops - 10 * cost.parameters == counter.get_total_flops()  # AdamW takes ten a parameter
    assert cost.saved > 4 * 2 * 6 * 3 * 16 * 32  # the images at least


@newer_torch
def test_a_longer_window_and_history_cost_more_and_prediction_less():
    def flops(frames: int, weights: dict | None = None) -> float:
        return count_step(make_real_model(PREPROCESSOR), IMAGE_SIZE, frames, 1, weights, num_cameras=2).flops

    once, twice = flops(1), flops(2)
    assert once < twice < 2 * once  # the head runs once
    assert flops(2, dict(reprojection=1.0)) > flops(2, dict(seg=1.0)) > twice


def test_a_call_takes_the_longer_of_arithmetic_and_memory():
    cost = Cost([(100.0, 1.0), (0.0, 8.0), (0.0, 0.0)])
    assert cost.seconds(10.0, 2.0, 0.5) == pytest.approx(10 + 4 + 0.5)


def test_an_exported_file_is_whole_or_not_there(tmp_path, monkeypatch):
    def write(model, inputs, path, **options):
        Path(path).write_text('half')
        if model.history:
            raise RuntimeError

    monkeypatch.setattr(torch.onnx, 'export', write)
    model = nn.Identity()
    export(model, dict(images=torch.zeros(1, 3, 2, 2)), tmp_path / 'new' / 'model.onnx', history=False)
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['model.onnx']
    with pytest.raises(RuntimeError):
        export(model, dict(images=torch.zeros(1, 3, 2, 2)), tmp_path / 'torn' / 'model.onnx', history=True)
    assert not list((tmp_path / 'torn').iterdir())


@newer_torch
@pytest.mark.slow
@pytest.mark.parametrize('history', [False, True])
def test_onnxruntime_gives_what_torch_gives(history, tmp_path):
    pytest.importorskip('onnxruntime')
    model = make_real_model(PREPROCESSOR).eval()
    inputs = example_inputs(model, IMAGE_SIZE, history)
    inputs['images'], inputs['bev2img'] = inputs['images'][:, :2], inputs['bev2img'][:, :2]
    export(model, inputs, tmp_path / 'model.onnx', history)
    assert check(model, inputs, tmp_path / 'model.onnx', history)['difference'] < 1e-3
    if history:  # of the start of a scene, whatever it holds
        inputs['history_valid'][:] = False
        assert check(model, inputs, tmp_path / 'model.onnx', history)['difference'] < 1e-3
