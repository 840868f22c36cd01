"""Other conditions share the towns and nothing else that they change."""

from pathlib import Path

import pytest

from projects.SyntheticNuScenes.label_efficiency import robustness
from projects.SyntheticNuScenes.label_efficiency.arms import Run
from projects.SyntheticNuScenes.label_efficiency.pools import TOY_POOLS
from projects.SyntheticNuScenes.label_efficiency.towns import TownData

RUNS = [Run('completed_only', 'more_images', 0.5, 0)]


@pytest.fixture
def base(tmp_path, monkeypatch):
    base = TownData(tmp_path / 'data', TOY_POOLS, 'mask2former', tmp_path / 'logs')
    monkeypatch.setattr(base, 'make_towns', lambda: (base.root / 'towns').mkdir(parents=True, exist_ok=True))
    monkeypatch.setattr(base, 'make_pseudo_labels', lambda setting: (base.root / 'pseudo_labels').mkdir(exist_ok=True))
    (tmp_path / 'data').mkdir()
    base.note('numbers', dict(train=dict(keyframes=2)))
    base.note('seconds_per_file', dict(teacher=dict(seconds=1.0), accumulation_more_images=dict(seconds=2.0)))
    return base


def test_exact_labels_keep_the_teacher_and_draw_labels_of_the_true_maps(base):
    derived = robustness.derive(base, 'exact_labels', RUNS)
    assert derived.root == base.root.with_name('data_exact_labels') and derived.exact_labels
    assert (derived.root / 'towns').resolve() == base.root / 'towns'
    assert (derived.root / 'pseudo_labels').resolve() == base.root / 'pseudo_labels'
    assert derived.record['teacher'] == derived.teacher == 'mask2former'
    assert derived.record['seconds_per_file'] == dict(teacher=dict(seconds=1.0))  # the rest is made anew
    assert robustness.derive(base, 'exact_labels', RUNS).record == derived.record


def test_a_worse_teacher_has_labels_and_a_name_of_its_own(base, monkeypatch):
    def degrade(tool, *arguments, log):
        prefix, level = arguments[arguments.index('--out') + 1], arguments[arguments.index('--levels') + 1]
        Path(f'{prefix}_{level}').mkdir()

    monkeypatch.setattr(robustness, 'run_tool', degrade)
    derived = robustness.derive(base, 'teacher_L2', RUNS)
    assert (derived.root / 'pseudo_labels').resolve() == derived.root / 'degraded_L2'
    assert derived.record['teacher'] == derived.teacher == 'mask2former+noise-L2' and not derived.exact_labels


def test_nothing_is_made_for_a_list(base):
    assert not robustness.derive(base, 'teacher_L1', []).root.exists()
