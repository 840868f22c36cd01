"""A loss or gradient that is not finite updates nothing, and a file says which batch it was."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from engine_toy import ToySegmentor, make_runner, run, run_distributed, two_phases, weights_of
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from processes import on_processes
from waits import counted_waits

from ssl_bev.engine import NonFiniteHook, ReadLossesHook
from ssl_bev.engine.batch_report import batch_ranges


class SpoilHook(Hook):
    """Puts a value into the first sample of some iterations, or multiplies their gradient with it."""

    def __init__(self, iterations, value: float = math.nan, of_gradient: bool = False) -> None:
        self.iterations, self.value, self.of_gradient = iterations, value, of_gradient
        self.before: dict = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter in self.iterations:
            self.before = weights_of(runner)
            if not self.of_gradient:
                data_batch['inputs'][0][2] = self.value
        runner.model.factor = self.value if self.of_gradient and runner.iter in self.iterations else None


class Factor(torch.autograd.Function):
    """The identity, whose gradient is not."""

    @staticmethod
    def forward(context, value, factor):
        context.factor = factor
        return value.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient * context.factor, None


@pytest.fixture
def gradient_can_be_spoilt(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = ToySegmentor.forward

    def spoilt(self, inputs, data_samples, mode='tensor'):
        losses = forward(self, inputs, data_samples, mode)
        if mode == 'loss' and self.factor is not None:
            return {name: Factor.apply(loss, self.factor) for name, loss in losses.items()}
        return losses

    monkeypatch.setattr(ToySegmentor, 'forward', spoilt)


def spoilt_runner(work_dir: Path, name: str, spoil: SpoilHook, hook: dict, **options) -> Runner:
    hooks = dict(non_finite=dict(type='NonFiniteHook', **hook), checkpoint=dict(type='SafeCheckpointHook', interval=1))
    runner = make_runner(work_dir, two_phases(), name, default_hooks=hooks, **copy.deepcopy(options))
    runner.register_hook(spoil)
    return runner


def report_of(work_dir: Path, iteration: int, rank: int = 0) -> dict:
    return json.loads((work_dir / f'non_finite/iteration_{iteration}_process_{rank}.json').read_text())


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_stop_before_the_update(tmp_path: Path, value: float) -> None:
    spoil = SpoilHook([5], value)
    runner = spoilt_runner(tmp_path, f'stop{value}', spoil, dict(action='stop'))
    with pytest.raises(FloatingPointError, match=r'iteration 6 is not finite: see .*iteration_6_process_0\.json'):
        runner.train()
    for name, weight in weights_of(runner).items():
        assert torch.equal(weight, spoil.before[name]), name
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_1.pth']

    report = report_of(tmp_path, 6)
    assert (report['iteration'], report['epoch'], report['loss_is_finite']) == (6, 2, False)
    assert report['losses']['loss_reprojection'] in ('nan', 'inf')
    assert report['losses']['loss_seg'] in (0.0, 'nan')
    assert 'encoder.0.weight' in report['parameters']
    assert len(report['samples']) == 2 and {sample['sample_token'] for sample in report['samples']} <= set('01234567')
    assert report['ranges']['inputs[0]'] == dict(
        report['ranges']['inputs[0]'], shape=[4], dtype='float32', not_finite=1
    )
    assert report['ranges']['inputs[1]']['not_finite'] == 0
    assert report['ranges']['data_samples[1].gt_bev_seg'] == dict(
        shape=[3, 2, 4], dtype='uint8', min=0, max=1, not_finite=0
    )


def test_a_gradient_alone(tmp_path: Path, gradient_can_be_spoilt: None) -> None:
    spoil = SpoilHook([2], math.inf, of_gradient=True)
    runner = spoilt_runner(tmp_path, 'gradient', spoil, dict(action='stop'))
    with pytest.raises(FloatingPointError, match='iteration 3 is not finite'):
        runner.train()
    report = report_of(tmp_path, 3)
    assert report['loss_is_finite'] and report['gradient_norm'] in ('inf', 'nan')
    assert all(torch.equal(weight, spoil.before[name]) for name, weight in weights_of(runner).items())


def test_skip_leaves_weights_and_optimizer_as_they_were(tmp_path: Path) -> None:
    spoil = SpoilHook([2, 9])
    runner = spoilt_runner(tmp_path, 'skip', spoil, dict(action='skip', max_skips=2))
    steps = []

    class LookHook(Hook):
        priority = 'VERY_LOW'

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter in spoil.iterations:
                steps.append(all(torch.equal(w, spoil.before[n]) for n, w in runner.model.state_dict().items()))

    runner.register_hook(LookHook())
    runner.train()
    assert steps == [True, True]
    assert runner.iter == 2 * 4 + 3 * 3
    assert next(iter(runner.optim_wrapper.optimizer.state.values()))['step'].item() == 3 * 3 - 1
    assert all(weight.isfinite().all() for weight in weights_of(runner).values())
    assert len(list((tmp_path / 'non_finite').iterdir())) == 2


def test_the_cap_counts_over_a_resume(tmp_path: Path) -> None:
    runner = spoilt_runner(tmp_path, 'cap_a', SpoilHook([2, 3, 9]), dict(action='skip', max_skips=2))
    with pytest.raises(FloatingPointError, match=r'It is update 3 of this kind, max_skips is 2'):
        runner.train()
    resumed = spoilt_runner(tmp_path, 'cap_b', SpoilHook([9]), dict(action='skip', max_skips=2), resume=True)
    with pytest.raises(FloatingPointError, match='It is update 3'):
        resumed.train()


def test_gradient_accumulation_skips_the_whole_update(tmp_path: Path) -> None:
    """The report is about the batch with the loss, which came before the update."""
    accumulate = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01), accumulative_counts=4)
    spoil = SpoilHook([5])
    runner = spoilt_runner(tmp_path, 'accumulate', spoil, dict(action='skip', max_skips=1), optim_wrapper=accumulate)
    runner.train()
    assert all(weight.isfinite().all() for weight in weights_of(runner).values())
    first, second = (report_of(tmp_path, iteration) for iteration in (6, 8))
    assert not first['loss_is_finite'] and 'gradient_norm' not in first
    assert second['loss_is_finite'] and second['gradient_norm'] == 'nan'


def test_skipping_is_of_no_use_where_a_running_statistic_is_spoilt(tmp_path: Path) -> None:
    runner = spoilt_runner(tmp_path, 'statistics', SpoilHook([1]), dict(action='skip'))
    runner.model.encoder.append(torch.nn.BatchNorm1d(8))
    with pytest.raises(FloatingPointError, match=r'of no use: encoder\.3\.running_mean of the model is not finite'):
        runner.train()


def test_a_sound_run_is_as_without_the_hook(tmp_path: Path) -> None:
    watched = spoilt_runner(tmp_path / 'a', 'watched', SpoilHook([]), dict(action='stop'))
    watched.train()
    plain, _ = run(tmp_path / 'b', two_phases(), 'plain')
    assert all(torch.equal(weights_of(watched)[name], weight) for name, weight in weights_of(plain).items())
    assert not (tmp_path / 'a/non_finite').exists()


def spoil_one_process(rank: int, folder: Path) -> None:
    hooks = dict(non_finite=dict(type='NonFiniteHook', action='skip', max_skips=1))
    runner, _ = run_distributed(folder, two_phases(), 'processes', default_hooks=hooks)
    assert all(weight.isfinite().all() for weight in weights_of(runner).values())


@pytest.fixture
def one_process_is_spoilt(monkeypatch: pytest.MonkeyPatch) -> None:
    step = ToySegmentor.parse_losses

    def parse_losses(self, losses):
        self.calls = getattr(self, 'calls', 0) + 1
        if self.calls == 3 and torch.distributed.get_rank() == 1:
            losses = {name: loss * math.inf for name, loss in losses.items()}
        return step(self, losses)

    monkeypatch.setattr(ToySegmentor, 'parse_losses', parse_losses)


def test_processes_agree(tmp_path: Path, one_process_is_spoilt: None) -> None:
    """One has a bad loss; both leave the update out, and go on together."""
    on_processes(2, spoil_one_process, tmp_path)
    assert report_of(tmp_path, 3, rank=0)['loss_is_finite']
    assert not report_of(tmp_path, 3, rank=1)['loss_is_finite']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(action='ignore'), "action must be 'stop' or 'skip', got 'ignore'"),
        (dict(action='skip', max_skips=-1), 'max_skips must not be negative, got -1'),
    ],
)
def test_bad_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NonFiniteHook(**arguments)


def test_each_hook_reads_the_device_once() -> None:
    """Loss and gradient before the update, the losses for the log after it; the norm is not asked for again."""
    weight = torch.nn.Parameter(torch.ones(3))
    wrapper = OptimWrapper(torch.optim.SGD([weight], 0.1), clip_grad=dict(max_norm=1))
    runner, hook, log = SimpleNamespace(optim_wrapper=wrapper), NonFiniteHook(), MessageHub.get_current_instance()
    hook.before_train_iter(runner, 0)
    loss = 2 * weight.sum()
    with counted_waits() as waits:
        wrapper.update_params(loss)
        hook.after_train_iter(runner, 0)
    assert waits == {'tolist': 1}
    assert log.get_scalar('train/grad_norm').current() == pytest.approx(math.sqrt(12))
    torch.testing.assert_close(weight.detach(), 1 - 0.1 * torch.full((3,), 1 / math.sqrt(3)))
    outputs = dict(loss=loss, loss_seg=loss.double() / 3, number=1)
    with counted_waits() as waits:
        ReadLossesHook().after_train_iter(runner, 0, outputs=outputs)
    assert waits == {'cpu': 1}
    assert {name: float(value) for name, value in outputs.items()} == dict(loss=6, loss_seg=2, number=1)


def test_ranges_of_arrays_that_torch_cannot_read() -> None:
    mirrored = np.array([[1.0, np.nan, 3.0]])[:, ::-1]
    assert batch_ranges(dict(a=mirrored, b=np.array([3, 65535], np.uint16), c=np.zeros((0, 2)))) == dict(
        a=dict(shape=[1, 3], dtype='float64', min=1.0, max=3.0, not_finite=1),
        b=dict(shape=[2], dtype='uint16', min=3, max=65535, not_finite=0),
        c=dict(shape=[0, 2], dtype='float64', min=None, max=None, not_finite=0),
    )
