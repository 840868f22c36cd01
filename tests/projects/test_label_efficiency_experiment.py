"""The experiment with tools that only pretend to work: order of steps, resuming, what is never done twice."""

import json
from pathlib import Path

import pytest

from projects.SyntheticNuScenes.label_efficiency import completion as completion_module
from projects.SyntheticNuScenes.label_efficiency import experiment as module
from projects.SyntheticNuScenes.label_efficiency.arms import Run
from projects.SyntheticNuScenes.label_efficiency.commands import CommandError
from projects.SyntheticNuScenes.label_efficiency.completion import Completion
from projects.SyntheticNuScenes.label_efficiency.experiment import Experiment

PAPER = Run('paper', 'same_images', 0.5, 0)
NAMES = ('drivable_area', 'lane_divider', 'road_divider', 'ped_crossing', 'stop_line')


def metrics(mIoU):
    values = {'bev/mIoU': mIoU, 'exact/mIoU': mIoU + 0.1, 'exact/IoU_exact_stop_line': 0.5}
    return values | {f'bev/threshold_{name}': 0.45 for name in NAMES}


class FakeData:
    """40 labelled frames that the teacher took 4 s for."""

    root, teacher = Path('towns'), 'mask2former'

    def seconds(self, setting, accumulates):
        return dict(teacher=4.0, accumulation=1.0) if accumulates else dict(teacher=4.0)

    def frames_seen(self, setting):
        return 40

    def make_towns(self):
        self.made = []

    def make_pseudo_labels(self, setting):
        self.made.append(('labels', setting))

    def accumulate(self, setting):
        self.made.append(('targets', setting))

    def register_labels(self):
        self.made.append('registered')


class FakeTools:
    """Trains the toy schedule of `PAPER` (2 + 4 steps of 0.5 s); may fail after the first epoch."""

    def __init__(self):
        self.calls, self.fails, self.variables = [], False, {}

    def __call__(self, tool, *arguments, log, env):
        arguments = [str(argument) for argument in arguments]
        self.calls.append((tool, arguments))
        self.variables[log.stem] = env
        if tool == 'test.py':
            scores = metrics(0.3) | {'bev/mIoU_chosen': 0.35}
            Path(arguments[arguments.index('--out') + 1]).write_text(json.dumps(scores))
            return
        work_dir = Path(arguments[arguments.index('--work-dir') + 1])
        done = len(list(work_dir.glob('*/vis_data/scalars.json')))
        folder = work_dir / f'session{done}' / 'vis_data'
        folder.mkdir(parents=True)
        lines = []
        for step in range(3 if done else 1, 3 if self.fails else 7):
            lines.append(dict(loss=1.0, time=0.5, iter=step, step=step))
            if step % 2 == 0:
                lines.append({**metrics({2: 0.1, 4: 0.22, 6: 0.2}[step]), 'time': 9.0, 'step': step // 2})
        (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
        if self.fails:
            raise CommandError('killed')
        for name in ('epoch_3.pth', 'best_bev_mIoU_epoch_2.pth'):
            (work_dir / name).touch()


@pytest.fixture
def tools(monkeypatch):
    tools = FakeTools()
    monkeypatch.setattr(module, 'run_tool', tools)
    return tools


@pytest.fixture
def experiment(tmp_path):
    return Experiment(FakeData(), tmp_path, toy=True, say=lambda line: None)


def test_a_record_has_parts_curve_and_figures(tools, experiment):
    record = experiment.run(PAPER, with_test=True)
    assert record == json.loads(experiment.record_path(PAPER).read_text())
    assert record['seconds'] == dict(teacher=4.0, pretrain=1.0, finetune=2.0)
    assert record['steps'] == dict(pretrain=2, finetune=4)
    assert record['passes'] == dict(teacher=40, pretrain=4, finetune=8)
    assert [(p['step'], p['seconds'], p['mIoU']) for p in record['curve']] == [(2, 5, 0.1), (4, 6, 0.22), (6, 7, 0.2)]
    assert record['validation']['noisy']['mIoU'] == 0.22  # the best epoch's, as the checkpoint
    assert record['test']['noisy'] == {'mIoU': 0.3, 'mIoU_chosen': 0.35} | {f'threshold_{n}': 0.45 for n in NAMES}
    assert record['test']['exact']['IoU_stop_line'] == 0.5
    train, test = tools.calls
    assert train[0] == 'train.py' and '--resume' in train[1]
    assert 'labelled_dataloader.dataset.label_fraction=0.5' in train[1]
    assert 'best_bev_mIoU_epoch_2.pth' in test[1][1]
    for chosen in ('0.chosen_thresholds.stop_line', '1.chosen_thresholds.exact_stop_line'):
        assert f'test_evaluator.{chosen}=0.45' in test[1]


def test_accumulation_counts_where_an_arm_needs_it(tools, experiment):
    record = experiment.run(Run('ssl_only', 'more_images', 0.0, 0), with_test=False)
    assert record['seconds'] == dict(teacher=4.0, accumulation=1.0, ssl=1.0, names=2.0)


def test_finished_runs_are_not_done_again(tools, experiment):
    first = experiment.run(PAPER, with_test=True)
    assert experiment.run(PAPER, with_test=True) == first
    assert [tool for tool, _ in tools.calls] == ['train.py', 'test.py']


def test_screening_never_tests_and_testing_later_does_not_train_again(tools, experiment):
    assert 'test' not in experiment.run(PAPER, with_test=False)
    assert experiment.is_done(PAPER, with_test=False) and not experiment.is_done(PAPER, with_test=True)
    assert [tool for tool, _ in tools.calls] == ['train.py']
    experiment.run(PAPER, with_test=True)
    assert [tool for tool, _ in tools.calls] == ['train.py', 'test.py']


def test_an_interrupted_training_goes_on_and_its_seconds_add_up(tools, experiment):
    tools.fails = True
    with pytest.raises(CommandError, match='killed'):
        experiment.run(PAPER, with_test=True)
    assert not experiment.is_done(PAPER, with_test=False)
    tools.fails = False
    record = experiment.run(PAPER, with_test=True)
    assert record['seconds']['pretrain'] == 1.0 and record['seconds']['finetune'] == 2.0
    assert all('--resume' in arguments for tool, arguments in tools.calls if tool == 'train.py')


def test_records_outlive_the_machine(tools, tmp_path):
    here, there = (
        Experiment(FakeData(), tmp_path / name, True, lambda line: None, tmp_path / 'records') for name in ('a', 'b')
    )
    record = here.run(PAPER, with_test=False)
    assert there.run(PAPER, with_test=False) == record and len(tools.calls) == 1
    assert there.series != here.series == record['conditions']['series']
    again = there.run(PAPER, with_test=True)  # its checkpoint is not here: trained again, then tested
    assert again['conditions']['series'] == there.series
    assert [tool for tool, _ in tools.calls] == ['train.py', 'train.py', 'test.py']
    assert there.is_done(PAPER, with_test=True)


def test_a_changed_config_does_not_pass_for_the_old_one(tools, experiment):
    experiment.run(PAPER, with_test=False)
    experiment.toy = False
    with pytest.raises(ValueError, match=r'same_images_paper_50pct_seed0.json was begun with another config; delete'):
        experiment.run(PAPER, with_test=False)


def test_only_the_data_that_runs_need_is_made(experiment):
    experiment.prepare([Run('supervised', 'labels_only', 1.0, 0)])
    assert experiment.data.made == []
    experiment.prepare([Run('ssl_only', 'more_images', 0.0, 0), Run('paper', 'same_images', 0.1, 0)])
    wanted = [('labels', 'same_images'), ('labels', 'more_images'), ('targets', 'more_images')]
    assert experiment.data.made == wanted


def test_runs_side_by_side_each_have_their_own_images(tools, experiment):
    runs = [Run('paper', setting, 0.5, seed) for setting in ('same_images', 'more_images') for seed in (0, 1)]
    experiment.run_all(runs, with_test=True, jobs=2)
    assert all(experiment.is_done(run, with_test=True) for run in runs)
    for run in runs:
        assert tools.variables[run.name] == {
            'SSL_BEV_SYNTHETIC': 'towns', 'SSL_BEV_SSL_IMAGES': run.setting, 'SSL_BEV_LABELS': run.labels,
        }  # fmt: skip


def test_after_a_failure_nothing_new_begins(tools, experiment):
    said, tools.fails = [], True
    experiment.say = said.append
    with pytest.raises(CommandError, match='killed'):
        experiment.run_all([Run('paper', 'same_images', 0.5, seed) for seed in range(20)], with_test=True)
    assert len(tools.calls) < 20
    assert 'ends after the trainings under way: killed' in said


@pytest.fixture
def completion(tools, monkeypatch, tmp_path):
    monkeypatch.setattr(completion_module, 'run_tool', lambda *a, log, env: tools.calls.append((a, env)) or 10.0)
    data = FakeData()
    data.root = tmp_path
    return lambda arm, **changes: Completion(data, Run(arm, 'more_images', 0.5, 0, **changes), tmp_path / 'out')


def test_maps_are_completed_once_for_all_arms_with_the_same_labels(tools, completion):
    completion('completed_only').make()
    completion('completed_without_perspective').make()  # the same scenes, labels and images
    assert completion('completed_without_perspective').seconds == 20.0
    (train, env), (write, _) = tools.calls
    assert train[0] == 'train.py' and 'train_dataloader.dataset.label_dir=bev_labels_registered' in train
    assert write[0] == 'complete_maps.py' and write[-1] == completion('completed_only').folder
    assert write[2].name == 'epoch_12.pth' and env['SSL_BEV_SSL_IMAGES'] == 'more_images'
    completion('completed_without_registration').make()
    assert 'train_dataloader.dataset.label_dir=bev_labels' in tools.calls[2][0]
    folders = {completion(arm).folder for arm in ('completed_only', 'completed_without_registration')}
    assert len(folders) == 2
