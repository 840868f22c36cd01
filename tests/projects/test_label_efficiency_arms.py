"""The arms of the label-efficiency experiment: what their configs have in common, and what differs."""

import pickle
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from torch import nn

from projects.SyntheticNuScenes.label_efficiency.arms import ARMS, LABELS_ONLY, Run, select_runs
from projects.SyntheticNuScenes.label_efficiency.channels_last_hook import ChannelsLastHook
from projects.SyntheticNuScenes.label_efficiency.configs import SHORT, resolve
from projects.SyntheticNuScenes.label_efficiency.measurements import phase_lengths
from projects.SyntheticNuScenes.label_efficiency.towns import LABELS, REGISTERED
from ssl_bev.datasets import NuScenesBEVDataset

# Those whose image backbone starts from the teacher's.
FROM_TEACHER = {'ssl_only', 'supervised_from_teacher'}
FROM_TEACHER |= {f'completed_{which}' for which in ('only', 'long', 'longest')}
FROM_TEACHER |= {f'completed_without_{part}' for part in ('registration', 'perspective')}


def resolved(arm: str, setting: str = 'same_images', fraction: float = 0.5, **changes) -> Config:
    return resolve(Run(arm, setting, fraction, seed=1), **changes)[0]


def loaders_of(config: Config) -> list:
    phases = config.custom_hooks[-1].phases
    return [config[phase.get('train_dataloader', 'train_dataloader')] for phase in phases]


def datasets_of(config: Config) -> list:
    return [loader.dataset for loader in loaders_of(config)]


@pytest.mark.parametrize('name', ARMS)
def test_an_arm_differs_in_losses_and_data_alone(name):
    config, baseline = resolved(name), resolved('supervised')
    start = config.model.img_backbone.pop('init_cfg'), baseline.model.img_backbone.pop('init_cfg')
    assert start[1] is None and (start[0] is None) == (name not in FROM_TEACHER)
    for key in ('model', 'optim_wrapper', 'param_scheduler', 'val_dataloader', 'test_dataloader', 'val_evaluator'):
        assert config[key] == baseline[key], key
    assert sum(phase.epochs for phase in config.custom_hooks[-1].phases) == config.train_cfg.max_epochs
    reference = baseline.train_dataloader.dataset.pipeline
    for loader in loaders_of(config):
        assert sum(loader.sampler.per_batch) == loader.batch_size
        labels = ('LoadBEVMasks', 'LoadPseudoLabels', 'LoadAccumulatedTargets')
        common = [step for step in loader.dataset.pipeline if step.type not in labels]
        assert common == [step for step in reference if step.type not in labels]


def test_weights_are_channels_last_in_place():
    model = nn.Conv2d(3, 4, 3)
    weights, before = model.weight, model.weight.detach().clone()
    ChannelsLastHook().before_run(SimpleNamespace(model=model))
    assert model.weight is weights and weights.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(weights, before)


def test_a_teachers_classes_are_the_same_in_model_losses_and_data():
    config = resolved('ssl_only')
    model = config.model
    names = list(dict(model.seg_head.coarse_classes))
    for objective in (model.objectives.accumulated, model.objectives.perspective, model.objectives.reprojection):
        assert len(objective.loss.positive_weight) == len(names)
    steps = [step for dataset in datasets_of(config) for step in dataset.pipeline if 'classes' in step]
    assert steps and all(step.classes == names for step in steps)


@pytest.mark.parametrize('name', ARMS)
def test_fraction_and_seed_reach_every_labelled_dataset_of_an_arm(name):
    labelled = [dataset for dataset in datasets_of(resolved(name, fraction=0.25)) if dataset.get('with_labels', True)]
    assert bool(labelled) == bool(ARMS[name].labelled)
    assert all((d.label_fraction, d.label_seed, d.labelled_only) == (0.25, 1, True) for d in labelled)
    assert all(d.ann_file == 'ssl_bev_infos_train.pkl' for d in labelled)


def test_settings_differ_in_the_images_without_labels(monkeypatch):
    def unlabelled(setting):
        monkeypatch.setenv('SSL_BEV_SSL_IMAGES', setting)
        return resolved('ssl_only', setting).train_dataloader.dataset

    same, more = unlabelled('same_images'), unlabelled('more_images')
    assert same.ann_file == ['ssl_bev_infos_train.pkl']
    assert more.ann_file == ['ssl_bev_infos_train.pkl', 'ssl_bev_infos_unlabelled.pkl']
    roots = [next(s.root for s in d.pipeline if s.type == 'LoadAccumulatedTargets') for d in (same, more)]
    assert [root.rsplit('/', 1)[1] for root in roots] == ['same_images', 'more_images']


def test_phases_in_steps_and_frames_also_of_a_toy():
    paper = phase_lengths(resolved('paper'))
    assert [(p.name, p.frames / p.steps) for p in paper] == [('pretrain', 2), ('finetune', 2)]  # T = 2; batch of 2
    assert paper[0].steps == 50 * resolved('paper').custom_hooks[-1].phases[0].epochs
    toy = resolved('supervised_2d', toy=True)
    assert phase_lengths(toy) == [('perspective', 2, 4), ('supervised', 4, 8)]
    assert toy.train_cfg.max_epochs == 3


@pytest.mark.parametrize('name', ARMS)
def test_short_runs_have_two_fifths_of_the_steps_of_every_phase(name):
    whole, short = (resolve(Run(name, 'same_images', 0.5, 0, options=options))[0] for options in ((), SHORT))
    steps = [[phase.steps for phase in phase_lengths(config)] for config in (whole, short)]
    assert [0.4 * count for count in steps[0]] == steps[1]
    assert set(short) == set(whole)


@pytest.mark.parametrize('name', [name for name, arm in ARMS.items() if arm.fractions != (0.0,)])
def test_the_late_gain_of_a_short_run_compares_validations_of_its_last_phase(name):
    """Before it, and before the last third of all steps, the classes that are measured may not be learnt yet."""
    train_cfg = (short := resolve(Run(name, 'same_images', 0.5, 0, options=SHORT))[0]).train_cfg
    last_phase = train_cfg.max_epochs - short.custom_hooks[-1].phases[-1].epochs
    validated = range(train_cfg.val_interval, train_cfg.max_epochs, train_cfg.val_interval)
    assert any(last_phase < epoch <= 2 / 3 * train_cfg.max_epochs for epoch in validated)


def write_infos(folder, scenes):
    frames = [
        dict(
            token=f'frame{scene}_{index}', scene_token=f'scene{scene}', scene_name=f'scene-{scene:04d}',
            frame_index=index, prev='', next='', timestamp=0.5 * index, images={'CAM_FRONT': dict(img_path='a.jpg')},
        )
        for scene in range(scenes)
        for index in range(2)
    ]  # fmt: skip
    (folder / 'ssl_bev_infos_train.pkl').write_bytes(pickle.dumps(dict(metainfo={}, data_list=frames)))


def test_smaller_shares_of_labels_are_part_of_larger_ones(tmp_path):
    """What the dataset draws with the options of a run: 40 scenes, 4 of them at 10 %."""
    write_infos(tmp_path, 40)
    tenths = []
    for seed in (0, 1):
        drawn = []
        for fraction in (0.1, 0.25, 0.5, 1.0):
            config = resolve(Run('supervised', LABELS_ONLY, fraction, seed))[0].train_dataloader.dataset
            config.pop('type')
            config.update(data_root=str(tmp_path), pipeline=[])
            drawn.append(set(NuScenesBEVDataset(**config).scene_tokens))
        assert [len(scenes) for scenes in drawn] == [4, 10, 20, 40]
        assert drawn[0] < drawn[1] < drawn[2] < drawn[3]
        tenths.append(drawn[0])
    assert tenths[0] != tenths[1]


def test_selection_has_each_run_once():
    runs = select_runs()
    assert len({run.name for run in runs}) == len(runs)
    supervised = [run for run in runs if run.arm == 'supervised']
    assert {run.setting for run in supervised} == {LABELS_ONLY} and len(supervised) == 4 * 3
    assert {run.fraction for run in runs if run.arm == 'completed_only'} == {1.0, 0.5, 0.25, 0.1}  # 100 % as a control
    assert {run.fraction for run in select_runs(['ssl_only'], fractions=[0.5])} == {0.0}
    chosen = select_runs(['paper', 'supervised'], ['more_images'], [0.1], [2])
    assert [run.name for run in chosen] == ['more_images_paper_10pct_seed2', 'labels_only_supervised_10pct_seed2']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(arms=['ppaer']), 'unknown arm ppaer; there are supervised'),
        (dict(settings=['no_images']), 'unknown setting no_images'),
        (dict(fractions=[50]), r'fractions must be in \(0, 1\], got \[50\]'),
    ],
)
def test_a_wrong_selection_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        select_runs(**arguments)


def test_registered_labels_and_completed_maps_are_where_an_arm_says():
    for name, arm in ARMS.items():
        run = Run(name, arm.settings[-1], 0.5, seed=1)
        datasets = datasets_of(resolve(run)[0])
        labelled = [dataset for dataset in datasets if dataset.get('labelled_only')]
        assert {d.get('label_dir', LABELS) for d in labelled} <= {REGISTERED if arm.registers else LABELS}
        roots = [step.root for dataset in datasets for step in dataset.pipeline if step.get('kind') == 'completed']
        assert bool(roots) == arm.completes
        assert all('/completed/' in root and root.endswith('_published') != arm.registers for root in roots)
