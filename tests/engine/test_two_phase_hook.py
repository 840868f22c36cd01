import copy
from pathlib import Path

import pytest
import torch
from engine_toy import FINETUNE, PRETRAIN, ToyHead, dataloader, make_runner, run, two_phases, weights_of
from mmdet3d.registry import MODELS
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from torch import nn


def assert_same_rows(rows: dict, expected: dict) -> None:
    for iteration, row in rows.items():
        assert row['loss'] == expected[iteration]['loss'], iteration
        assert row['lr'] == expected[iteration]['lr']
        assert torch.equal(row['inputs'], expected[iteration]['inputs'])


@pytest.mark.parametrize('num_workers', [0, 2])
def test_resume_in_each_phase_repeats_the_straight_run(tmp_path: Path, num_workers: int) -> None:
    phases = two_phases(num_workers)
    straight, expected = run(tmp_path / 'straight', phases, f'straight{num_workers}', num_workers)
    assert len(expected) == 2 * 4 + 3 * 3

    for epoch in (1, 2, 3, 4):  # inside pretraining, at the border, and twice inside fine-tuning
        resumed, rows = run(
            tmp_path / f'resumed{epoch}',
            phases,
            f'resumed{num_workers}{epoch}',
            num_workers,
            resume=True,
            load_from=str(tmp_path / f'straight/epoch_{epoch}.pth'),
        )
        assert min(row['epoch'] for row in rows.values()) == epoch
        assert_same_rows(rows, expected)
        for name, weight in weights_of(straight).items():
            assert torch.equal(weights_of(resumed)[name], weight), name


def test_without_a_seed_in_the_config_too(tmp_path: Path) -> None:
    _, expected = run(tmp_path / 'a', two_phases(), 'unseeded_a', randomness=dict(seed=None))
    for epoch in (1, 3):
        source = str(tmp_path / f'a/epoch_{epoch}.pth')
        _, rows = run(
            tmp_path / f'b{epoch}', two_phases(), f'unseeded_b{epoch}', resume=True, load_from=source,
            randomness=dict(seed=None),
        )  # fmt: skip
        assert_same_rows(rows, expected)


def test_augmentation_differs_between_epochs_workers_and_samples(tmp_path: Path) -> None:
    _, rows = run(tmp_path, two_phases(2), 'augmentation', 2)
    noise = torch.cat([row['inputs'] for row in rows.values() if row['epoch'] < 2]).mul(10).remainder(1).double()
    assert len(noise.mul(1e4).round().unique(dim=0)) == 16


def test_each_phase_has_its_losses_data_and_schedule(tmp_path: Path) -> None:
    _, rows = run(tmp_path, two_phases(), 'switch')
    first = [row for row in rows.values() if row['epoch'] < 2]
    second = [row for row in rows.values() if row['epoch'] >= 2]
    assert all(row['weights'] == dict(seg=0, reprojection=1) for row in first)
    assert all(row['weights'] == dict(seg=2, reprojection=0) for row in second)
    assert all((row['inputs'] < 9).all() for row in first)
    assert all((row['inputs'] > 9).all() for row in second)
    # the cosine of the config file spans each phase from that phase's own rate; the first value is already after a step
    assert [round(first[i]['lr'], 5) for i in (0, -1)] == [0.01, pytest.approx(0.0004, abs=2e-4)]
    assert second[0]['lr'] == 0.02
    assert second[-1]['lr'] < 0.001


def test_two_runs_equal_one_run(tmp_path: Path) -> None:
    one, _ = run(tmp_path / 'one', two_phases(), 'one_run')
    run(tmp_path / 'pretrain', [PRETRAIN], 'pretrain_run')
    finetuned, _ = run(
        tmp_path / 'finetune',
        [copy.deepcopy(FINETUNE)],
        'finetune_run',
        train_dataloader=dataloader(length=6, offset=100.0),
        load_from=str(tmp_path / 'pretrain/epoch_2.pth'),
    )
    for name, weight in weights_of(one).items():
        assert torch.equal(weights_of(finetuned)[name], weight), name


def test_a_dataloader_by_name(tmp_path: Path) -> None:
    phases = two_phases()
    expected, _ = run(tmp_path / 'a', phases, 'inline')
    loader, phases[1]['train_dataloader'] = phases[1]['train_dataloader'], 'labelled_dataloader'
    named, _ = run(tmp_path / 'b', phases, 'named', labelled_dataloader=loader)
    for name, weight in weights_of(expected).items():
        assert torch.equal(weights_of(named)[name], weight), name
    with pytest.raises(ValueError, match="phase 'finetune': train_dataloader 'labelled_dataloader' is no dataloader"):
        run(tmp_path / 'c', phases, 'unknown')


def test_class_layer_starts_from_the_coarse_one_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(ToyHead, 'init_fine_from_coarse', lambda self: calls.append(self))
    runner, _ = run(tmp_path / 'a', two_phases(), 'init_a')
    assert calls == [runner.model.seg_head]
    run(
        tmp_path / 'b', two_phases(), 'init_b', resume=True, load_from=str(tmp_path / 'a/epoch_4.pth')
    )  # inside fine-tuning
    assert len(calls) == 1


def test_each_phase_restarts_the_optimizer(tmp_path: Path) -> None:
    runner, _ = run(tmp_path, two_phases(), 'restarted')
    assert next(iter(runner.optim_wrapper.optimizer.state.values()))['step'].item() == 9


def test_a_phase_with_its_own_optimizer_and_schedule_resumes(tmp_path: Path) -> None:
    phases = two_phases()
    phases[1].update(
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.5, momentum=0.9)),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=3),
            dict(type='MultiStepLR', milestones=[2], gamma=0.1),
        ],
    )
    straight, expected = run(tmp_path / 'a', phases, 'own_a')
    rates = [row['lr'] for row in expected.values() if row['epoch'] >= 2]
    assert rates[0] == pytest.approx(0.002)
    assert rates[4] == pytest.approx(0.02)
    assert rates[-1] == pytest.approx(0.002)
    for epoch in (1, 2, 3):
        source = str(tmp_path / f'a/epoch_{epoch}.pth')
        resumed, rows = run(tmp_path / f'b{epoch}', phases, f'own_b{epoch}', resume=True, load_from=source)
        assert_same_rows(rows, expected)
        assert torch.equal(resumed.model.seg_head.fine.weight, straight.model.seg_head.fine.weight)


def test_gradient_accumulation_counts_within_the_phase(tmp_path: Path) -> None:
    optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01), accumulative_counts=3)
    one, _ = run(tmp_path / 'one', two_phases(), 'accumulate_one', optim_wrapper=optim_wrapper)
    run(tmp_path / 'pre', [PRETRAIN], 'accumulate_pre', optim_wrapper=optim_wrapper)
    two, _ = run(
        tmp_path / 'fine', [copy.deepcopy(FINETUNE)], 'accumulate_fine', optim_wrapper=optim_wrapper,
        train_dataloader=dataloader(length=6, offset=100.0), load_from=str(tmp_path / 'pre/epoch_2.pth'),
    )  # fmt: skip
    assert torch.equal(one.model.seg_head.fine.weight, two.model.seg_head.fine.weight)


def test_average_model_gets_the_new_class_layer(tmp_path: Path) -> None:
    phases = [PRETRAIN, dict(FINETUNE, epochs=1, lr=1e-12)]
    hooks = [dict(type='TwoPhaseHook', phases=phases), dict(type='EMAHook', momentum=1e-6)]
    runner = make_runner(tmp_path, phases, 'ema', custom_hooks=hooks)
    runner.train()
    average = next(hook for hook in runner.hooks if type(hook).__name__ == 'EMAHook').ema_model.module
    differences = [
        (head.fine.weight - head.coarse.weight[[0, 1, 1]]).detach()
        for head in (average.seg_head, runner.model.seg_head)
    ]
    assert torch.allclose(*differences, atol=1e-5)


def test_an_average_restarts_with_each_phase(tmp_path: Path) -> None:
    """After two steps of fine-tuning the average is made of what fine-tuning gave, whatever pretraining left."""
    phases = [PRETRAIN, dict(copy.deepcopy(FINETUNE), epochs=1)]
    hooks = [dict(type='TwoPhaseHook', phases=phases), dict(type='EMAHook', momentum=0.5), dict(type='RecordHook')]
    runner = make_runner(tmp_path, phases, 'ema_restart', custom_hooks=hooks)
    runner.train()
    ema = next(hook for hook in runner.hooks if type(hook).__name__ == 'EMAHook').ema_model
    assert ema.steps == 4  # the steps of an epoch


class Plain(BaseModel):
    """Any mmengine model: it knows neither phases nor weights of losses."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, inputs, data_samples, mode='tensor'):
        return dict(loss=self.layer(torch.stack(inputs)).square().mean())


MODELS.register_module(module=Plain, name='PlainModel', force=True)


def test_a_model_without_loss_weights_has_phases_too(tmp_path: Path) -> None:
    phases = [dict(name='a', epochs=1), dict(name='b', epochs=2, lr=0.5, train_dataloader=dataloader(6, 100.0))]
    hooks = [dict(type='TwoPhaseHook', phases=phases), dict(type='ExactResumeHook')]
    rates, first = [], []

    class Note(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            rates.append(runner.optim_wrapper.get_lr()['lr'][0])
            first.append(torch.stack(data_batch['inputs']).max() > 9)

    runner = make_runner(
        tmp_path, phases, 'plain', model=dict(type='PlainModel'), custom_hooks=hooks, param_scheduler=[]
    )
    runner.register_hook(Note())
    runner.train()
    assert rates == [0.01] * 4 + [0.5] * 6 and first == [False] * 4 + [True] * 6


@pytest.mark.parametrize(
    ('wish', 'message'),
    [
        (dict(losses=dict(seg=1.0)), "'b' has losses, for which the model needs get_loss_weights and set_loss_weights"),
        (dict(init_classes='coarse'), "'b' has init_classes, for which the model needs init_fine_from_coarse"),
    ],
)
def test_what_a_model_cannot_do_is_said_before_the_first_phase(tmp_path: Path, wish: dict, message: str) -> None:
    phases = [dict(name='a', epochs=1), dict(name='b', epochs=1, **wish)]
    hooks = [dict(type='TwoPhaseHook', phases=phases)]
    runner = make_runner(tmp_path, phases, 'cannot', model=dict(type='PlainModel'), custom_hooks=hooks)
    with pytest.raises(ValueError, match=message):
        runner.train()
    assert not list(tmp_path.glob('*.pth'))


def test_changed_lengths_of_phases_are_found_when_resuming(tmp_path: Path) -> None:
    run(tmp_path / 'a', two_phases(), 'lengths_a')
    longer = two_phases()
    longer[0]['epochs'] = 4
    with pytest.raises(ValueError, match=r"saved in phase 'finetune' after 3 epochs.*'pretrain'.*unchanged"):
        run(tmp_path / 'b', longer, 'lengths_b', resume=True, load_from=str(tmp_path / 'a/epoch_3.pth'))


def test_a_longer_last_phase_resumes(tmp_path: Path) -> None:
    run(tmp_path / 'a', [PRETRAIN], 'longer_a')
    _, rows = run(
        tmp_path / 'b', [dict(PRETRAIN, epochs=3)], 'longer_b', resume=True, load_from=str(tmp_path / 'a/epoch_2.pth')
    )
    assert {row['epoch'] for row in rows.values()} == {2}


def test_epochs_must_add_up(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'2 \(pretrain\) \+ 3 \(finetune\) = 5, must add up to .*max_epochs = 6'):
        run(tmp_path, two_phases(), 'sum', train_cfg=dict(by_epoch=True, max_epochs=6))


def test_iteration_based_loops_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='TwoPhaseHook counts epochs, the train loop is a IterBasedTrainLoop'):
        run(tmp_path, two_phases(), 'iterations', train_cfg=dict(by_epoch=False, max_iters=6), param_scheduler=None)


def test_unknown_loss_is_found_before_the_first_epoch(tmp_path: Path) -> None:
    phases = two_phases()
    phases[1]['losses'] = dict(segm=1.0)
    with pytest.raises(ValueError, match=r"phase 'finetune': unknown loss \{'segm'\}"):
        run(tmp_path, phases, 'unknown_loss')
    assert not list(tmp_path.glob('*.pth'))


def test_schedule_that_begins_after_its_phase_is_found_before_the_first_epoch(tmp_path: Path) -> None:
    schedule = dict(type='CosineAnnealingLR', by_epoch=False, begin=8)
    with pytest.raises(ValueError, match=r"phase 'pretrain' is 8 iterations long, its CosineAnnealingLR begins at 8"):
        run(tmp_path / 'a', two_phases(), 'late_a', param_scheduler=schedule)
    phases = two_phases()
    phases[1]['param_scheduler'] = schedule
    run(tmp_path / 'b', phases, 'late_b')  # 9 iterations


def test_average_model_resumes_exactly(tmp_path: Path) -> None:
    def train(name: str, **options) -> torch.nn.Module:
        hooks = [dict(type='TwoPhaseHook', phases=two_phases()), dict(type='ExactResumeHook')]
        hooks.append(dict(type='EMAHook', momentum=0.1))
        runner = make_runner(tmp_path / name, two_phases(), f'average_{name}', custom_hooks=hooks, **options)
        runner.train()
        return next(hook for hook in runner.hooks if type(hook).__name__ == 'EMAHook').ema_model

    straight = train('a').state_dict()
    for epoch in (1, 2, 4):
        resumed = train(f'b{epoch}', resume=True, load_from=str(tmp_path / f'a/epoch_{epoch}.pth'))
        assert all(torch.equal(tensor, straight[name]) for name, tensor in resumed.state_dict().items())
