"""The same comparison with a worse teacher, or with labels that have no annotation noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .arms import SETTINGS, Run
from .commands import run_tool
from .json_files import write_json
from .towns import TownData

EXACT_LABELS = 'exact_labels'
# Levels of tools/degrade_pseudo_labels.py.
WORSE_TEACHERS = {'teacher_L1': 'L1', 'teacher_L2': 'L2'}
# For the report's title.
CONDITIONS = {
    EXACT_LABELS: 'training labels without annotation noise',
    **{name: f'the teacher made worse, level {level}' for name, level in WORSE_TEACHERS.items()},
}


def derive(base: TownData, condition: str, runs: Sequence[Run]) -> TownData:
    """The towns of `base` under another condition, in a folder beside them.

    Args:
        base: the towns; made where missing, and so are their pseudo-labels.
        condition: one of `CONDITIONS`.
        runs: that will need the data; none: nothing is made.
    """
    root = base.root.with_name(f'{base.root.name}_{condition}')
    level = WORSE_TEACHERS.get(condition)
    teacher = f'{base.teacher}+noise-{level}' if level else base.teacher
    derived = TownData(root, base.pools, teacher, base.logs, base.jobs, condition == EXACT_LABELS)
    if not runs:
        return derived
    base.make_towns()
    root.mkdir(exist_ok=True)
    _link(root / 'towns', base.root / 'towns')
    _share_pseudo_labels(base, root, level, condition, runs)
    if not (root / 'data.json').is_file():
        rates = {key: rate for key, rate in base.record.get('seconds_per_file', {}).items() if key == 'teacher'}
        write_json(root / 'data.json', dict(base.record, teacher=teacher, seconds_per_file=rates))
    return derived


def _share_pseudo_labels(base: TownData, root: Path, level: str | None, condition: str, runs: Sequence[Run]) -> None:
    """Link those of `base`, made worse where there is a level."""
    for setting in SETTINGS:
        if any(run.setting == setting for run in runs):
            base.make_pseudo_labels(setting)
    labels = base.root / 'pseudo_labels'
    if level:
        options = ['--label-map', 'mapillary_v2', '--levels', level, '--workers', base.jobs, '--quiet']
        run_tool(
            'degrade_pseudo_labels.py', '--pseudo-labels', labels, '--out', root / 'degraded', *options,
            log=base.logs / f'{condition}.log',
        )  # fmt: skip
        labels = root / f'degraded_{level}'
    if labels.is_dir():
        _link(root / 'pseudo_labels', labels)


def _link(path: Path, target: Path) -> None:
    if not path.is_symlink():
        path.symlink_to(target.resolve(), target_is_directory=True)
