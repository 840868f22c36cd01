"""The split of each scene: official lists of nuScenes, or your own in splits.json, as read by the devkit."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from nuscenes.utils.splits import create_splits_scenes

from ssl_bev.files.text_files import read_json

from .known_issues import OFF_ROAD_SCENES
from .nuscenes_tables import NuScenesTables

SPLITS_FILE = 'splits.json'
# Names of files for the splits of the devkit.
_SHORT_NAMES = {'mini_train': 'train', 'mini_val': 'val'}
logger = logging.getLogger(__name__)


def split_scenes(tables: NuScenesTables, exclude: Sequence[str] = ()) -> dict[str, list[dict]]:
    """The scenes of each split, by the name of its files.

    {root}/{version}/splits.json, a mapping from split to scenes, takes precedence over the official lists; its splits
    mini_train and mini_val are called train and val. Scenes in no split are left out with a warning.

    Args:
        tables: of the dataset.
        exclude: names or tokens of scenes to leave out.

    Raises:
        ValueError: a broken splits.json, a scene in two of its splits or unknown to the tables, an unknown scene in
            `exclude`, or no scene in any split.
    """
    path = tables.root / tables.version / SPLITS_FILE
    own = path.is_file()
    names = _own_splits(path, {scene['name'] for scene in tables.scenes}) if own else _official_splits(tables.version)
    known = {name for scenes in create_splits_scenes().values() for name in scenes}.union(
        *((scene['name'], scene['token']) for scene in tables.scenes)
    )
    if unknown := sorted(set(exclude) - known):
        raise ValueError(f'--exclude-scenes: no scene of nuScenes is called {", ".join(unknown)}')
    splits = {split: [s for s in tables.scenes if s['name'] in scenes] for split, scenes in names.items()}
    where = f'the splits {list(names)} of {path}' if own else f'the official splits {list(_official(tables.version))}'
    remedy = f'name them in {path}, such as {{"train": [...], "val": [...]}}'
    if not any(splits.values()):
        raise ValueError(
            f'--version: no scene of {tables.root / tables.version} is in {where}; scenes there: '
            f'{[scene["name"] for scene in tables.scenes[:5]]}; {remedy}'
        )
    used = {scene['token'] for scenes in splits.values() for scene in scenes}
    outside = [
        s['name'] for s in tables.scenes if s['token'] not in used and not {s['name'], s['token']} & set(exclude)
    ]
    if outside:
        names_shown = ', '.join(outside[:10]) + (', ...' if len(outside) > 10 else '')
        logger.warning('%d scenes left out, as they are not in %s: %s; %s', len(outside), where, names_shown, remedy)
    splits = {
        split: [scene for scene in scenes if not {scene['name'], scene['token']} & set(exclude)]
        for split, scenes in splits.items()
    }
    _warn_of_bad_scenes(splits)
    return splits


def _official(version: str) -> dict[str, str]:
    """Names of the devkit's lists -> of our files."""
    if 'mini' in version:
        return dict(_SHORT_NAMES)
    return {'test': 'test'} if 'test' in version else {'train': 'train', 'val': 'val'}


def _official_splits(version: str) -> dict[str, Collection[str]]:
    lists = create_splits_scenes()
    return {short: set(lists[name]) for name, short in _official(version).items()}


def _own_splits(path: Path, there: Collection[str]) -> dict[str, Collection[str]]:
    content = read_json(path, '--version: list of splits')
    lists = content.values() if isinstance(content, Mapping) else [None]
    if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists):
        raise ValueError(f'--version: {path} must be a mapping from splits to lists of names of scenes')
    splits = {_SHORT_NAMES.get(split, split): set(names) for split, names in content.items()}
    if len(splits) < len(content):
        raise ValueError(f'--version: {path} names a split twice (mini_train is train here), got {list(content)}')
    for split, names in splits.items():
        if Path(split).name != split or split in ('', '..') or '\0' in split:
            raise ValueError(f'--version: a split of {path} must be fit for a file name, got {split!r}')
        if unknown := sorted(names - set(there)):
            raise ValueError(
                f'--version: split {split!r} of {path} names {len(unknown)} scenes that table scene has not, such as '
                f'{unknown[0]!r}; correct the name or take it out'
            )
    for (one, first), (other, second) in combinations(splits.items(), 2):
        if common := sorted(first & second):
            raise ValueError(
                f'--version: {path} has {len(common)} scenes both in {one!r} and {other!r}, such as {common[0]!r}; '
                'each may be in one split'
            )
    return splits


def _warn_of_bad_scenes(splits: Mapping[str, Sequence[Mapping]]) -> None:
    bad = sorted({scene['name'] for scenes in splits.values() for scene in scenes} & set(OFF_ROAD_SCENES))
    if bad:
        logger.warning(
            'the ego poses of %d scenes are known to leave the road; --exclude-scenes %s leaves them out',
            len(bad),
            ' '.join(bad),
        )
