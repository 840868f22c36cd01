"""The data: synthetic towns, and what a teacher's labels make of them."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.files import write_bytes

from .steps import PROJECT, Steps, read_json, write_json

INFOS = 'ssl_bev_infos_{}.pkl'
PUBLISHED, EXACT, REGISTERED = 'bev_labels', 'truth/bev_labels', 'bev_labels_registered'
TEACHER = PROJECT / 'projects' / 'SyntheticNuScenes' / 'teacher' / 'mask2former_v2.py'
UNLABELLED = 'unlabelled'  # the pool of images without labels


class Town(NamedTuple):
    """A data set of the generator.

    Attributes:
        folder: below that of all data; '.' for the only one.
        pools: purpose -> the split of this town that serves it. 'train' has labels, 'unlabelled' more images, 'val' is
            for choices, 'test' for results.
        options: of projects/SyntheticNuScenes/create.py.
        version: of the tables.
    """

    folder: str
    pools: Mapping[str, str]
    options: str
    version: str = 'v1.0-trainval'


def _pool(name: str, split: str, towns: int, scenes: int, frames: int, seed: int) -> list[Town]:
    options = f'--split {split} --scenes {scenes} --frames {frames} --seed'
    return [Town(f'towns/{name}_{i}', {name: split}, f'{options} {seed + i}') for i in range(towns)]


# Towns of the generator's split val have another size and look like no training town.
TOWNS = (
    *_pool('train', 'train', towns=4, scenes=10, frames=8, seed=100),
    *_pool('unlabelled', 'train', towns=8, scenes=10, frames=8, seed=200),
    *_pool('val', 'val', towns=2, scenes=10, frames=3, seed=300),
    *_pool('test', 'val', towns=3, scenes=10, frames=4, seed=400),
)
# Enough to see that everything runs.
TOY_TOWNS = (
    Town('towns/a', {'train': 'train', 'val': 'val'}, '--scenes 2 --frames 3 --seed 1', 'v1.0-mini'),
    Town('towns/b', {'unlabelled': 'train', 'test': 'val'}, '--scenes 2 --frames 3 --seed 2', 'v1.0-mini'),
)


class Towns:
    """Makes one data set of several towns; what is there is kept.

    Args:
        root: its folder; info files `ssl_bev_infos_{pool}.pkl`, labels and targets lie as the configs expect them.
        towns: of the generator.
        steps: runs the tools, and knows how long they took. Where a town lies in `root` itself, its folder is another
            one: the generator wants to find an empty one.
        jobs: processes that share the work.
    """

    condition = ''
    protocol: str | None = None

    def __init__(self, root: Path, towns: Sequence[Town], steps: Steps, jobs: int = 1) -> None:
        self.root, self.towns, self.steps, self.jobs = root, towns, steps, jobs

    def make(self, unlabelled: bool = True) -> None:
        """Images, maps, info files, published and exact labels; False: no towns of unlabelled images alone.

        Raises:
            ValueError: the folder holds other towns.
            StepError: a tool failed.
        """
        towns = {town.folder: [dict(town.pools), town.options, town.version] for town in self.towns}
        note = self.steps.folder / 'towns.json'
        if (found := read_json(note) or towns) != towns:
            raise ValueError(f'{self.root} was made of other towns, {found}; choose another folder or delete it')
        write_json(note, towns)
        with ThreadPoolExecutor(self.jobs) as workers:
            list(workers.map(self._make_town, self.towns if unlabelled else self._labelled))
        self.merge(unlabelled)

    def merge(self, unlabelled: bool = True) -> None:
        """Bring the towns' info files and labels together."""
        towns = self.towns if unlabelled else self._labelled
        for pool in {pool for town in towns for pool in town.pools}:
            merge_infos(self.root, {town.folder: town.pools[pool] for town in towns if pool in town.pools}, pool)
        exact = [self.root / town.folder / 'truth' / self.label_dir for town in self._labelled]
        merge_labels([self.maps_of(town) / self.label_dir for town in self._labelled], self.root / PUBLISHED)
        merge_labels(exact, self.root / EXACT)

    @property
    def label_dir(self) -> str:
        """Name of the label folder of each town."""
        return f'{PUBLISHED}_{self.protocol}' if self.protocol else PUBLISHED

    def maps_of(self, town: Town) -> Path:
        """Where the maps lie that pass for published, and the labels that are drawn of them."""
        return self.root / town.folder

    def label(self, pool: str) -> None:
        """The teacher's labels of a pool's keyframes."""
        shared = ['-m', 'torch.distributed.run', '--standalone', f'--nproc_per_node={self.jobs}'] * (self.jobs > 1)
        self.steps.run(
            f'teacher {pool}', *shared, 'tools/generate_pseudo_labels.py', '--infos', self.root / INFOS.format(pool),
            '--data-root', self.root, '--out', self.root / 'pseudo_labels', '--teacher', 'mmseg', '--config', TEACHER,
            '--checkpoint', TEACHER.with_suffix('.pth'), '--batch-size', 6, '--autocast', 'bfloat16', '--quiet',
            cores=self.jobs,
        )  # fmt: skip

    def register(self) -> None:
        """Labels of the training towns' maps, each fitted to the pseudo-labels of its scene."""
        towns = {self.root / 'registered' / town.folder: town for town in self.towns if 'train' in town.pools}
        for out, town in towns.items():
            infos = self.root / town.folder / INFOS.format(town.pools['train'])
            self.steps.run(
                f'registration {town.folder}', 'tools/register_labels.py', '--infos', infos, '--data-root',
                self.maps_of(town), *self._labels, '--out', out, *self._protocol, result=out,
            )  # fmt: skip
        merge_labels(towns, self.root / REGISTERED)

    def seconds(self, *names: str) -> float:
        """What steps took, see `Steps.seconds`."""
        return self.steps.seconds(*names)

    @property
    def _labelled(self) -> list[Town]:
        """The towns whose labels somebody reads."""
        return [town for town in self.towns if town.pools.keys() != {UNLABELLED}]

    @property
    def _protocol(self) -> list[str]:
        return ['--protocol', self.protocol] if self.protocol else []

    @property
    def _labels(self) -> list[object]:
        return ['--pseudo-labels', self.root / 'pseudo_labels', '--label-map', 'mapillary_v2', '--quiet']

    def _make_town(self, town: Town) -> None:
        folder, create = self.root / town.folder, ['tools/create_data.py', '--version', town.version, '--quiet']
        self.steps.run(
            f'images and maps {town.folder}', 'projects/SyntheticNuScenes/create.py', '--out', folder, '--version',
            town.version, '--annotation-noise', 'nuscenes', *town.options.split(), result=folder / town.version,
        )  # fmt: skip
        truth = folder / 'truth'
        self.steps.run(
            f'labels {town.folder}', *create, '--data-root', folder, '--out', folder, result=folder / PUBLISHED
        )
        self.steps.run(
            f'exact labels {town.folder}', *create, '--data-root', truth, '--out', truth, '--labels-only',
            result=folder / EXACT,
        )  # fmt: skip


def merge_infos(root: Path, parts: Mapping[str, str], pool: str) -> None:
    """Write the info files of data sets below `root` as one, with paths that start from `root`; one there is kept.

    Args:
        root: of all.
        parts: folder of each data set -> split of its info file.
        pool: in the name of the written file.

    Raises:
        ValueError: a frame token that occurs twice, as its label files would be one.
    """
    target, frames = root / INFOS.format(pool), []
    if target.is_file():
        return
    for part, split in parts.items():
        content = read_info_file(root / part / INFOS.format(split), ['merging'])
        for keyframe in content['data_list']:
            for frame in (keyframe, *keyframe.get('sweeps', ())):
                for camera in frame['images'].values():
                    camera['img_path'] = f'{part}/{camera["img_path"]}'
            frames.append({**keyframe, 'sample_idx': len(frames)})
    if len({frame['token'] for frame in frames}) < len(frames):
        raise ValueError(f'{", ".join(parts)} share frame tokens: they were generated with the same seed')
    write_bytes(target, pickle.dumps({'metainfo': content['metainfo'], 'data_list': frames}, protocol=4))


def merge_labels(parts: Sequence[Path], target: Path) -> None:
    """Copy the label files of several folders, drawn alike, into one; one that is there is kept."""
    if target.is_dir():
        return
    partial = target.with_name(f'{target.name}.partial')
    shutil.rmtree(partial, ignore_errors=True)
    for part in parts:
        shutil.copytree(part, partial, dirs_exist_ok=True, ignore=shutil.ignore_patterns('corrections.json'))
    partial.rename(target)
