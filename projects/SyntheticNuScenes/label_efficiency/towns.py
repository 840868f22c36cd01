"""The data of the comparison: synthetic towns for training, validation and test, and a teacher's labels.

Layout of the folder, which is one data set for `NuScenesBEVDataset`:

    towns/{pool}_{i}/                       data sets of the generator, each a town of its own
    ssl_bev_infos_{train,unlabelled,val,test}.pkl     the pools; train is the one with labels
    bev_labels/                             published (noisy) labels of train
    registered/{town}, bev_labels_registered/     the same, of maps fitted to what the teacher saw of the keyframes
    bev_labels_and_truth/                   those of val and test, with the exact ones beside them
    pseudo_labels/                          the teacher's, of train and unlabelled
    accumulated/{same_images,more_images}/  BEV targets made of them
    completed/{setting}/{labels}/           the same in the labels' terms, learnt from the labelled scenes of a run
    data.json                               what was made, and the seconds it took
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from threading import Lock

from .arms import MORE_IMAGES, SAME_IMAGES, SETTINGS
from .commands import PROJECT, run_tool
from .json_files import read_json, write_json
from .merge import INFOS, merge_infos, merge_labels, scene_numbers
from .pools import Pool

TEACHER = PROJECT / 'projects' / 'SyntheticNuScenes' / 'teacher' / 'mask2former_v2.py'
VERSION = 'v1.0-trainval'
HELD_OUT = ('val', 'test')
POOLS_SEEN = {SAME_IMAGES: ('train',), MORE_IMAGES: ('train', 'unlabelled')}
NUM_CAMERAS = 6
# Targets of the label map.
PAINT = ('drivable', 'dashed', 'solid', 'stop_line', 'crosswalk')
LABELS, LABELS_AND_TRUTH, REGISTERED = 'bev_labels', 'bev_labels_and_truth', 'bev_labels_registered'


class TownData:
    """Makes the data step by step; what is there already is kept.

    Args:
        root: folder of the data.
        pools: `POOLS`, or others with the same names.
        teacher: 'mask2former', or 'oracle' for development only.
        logs: folder for the tools' logs.
        jobs: processes that share the work: towns, the teacher, accumulation, registration.
        exact_labels: the training towns' labels are of the exact maps, not of the published ones.
    """

    def __init__(
        self,
        root: Path,
        pools: dict[str, Pool],
        teacher: str,
        logs: Path,
        jobs: int = 1,
        exact_labels: bool = False,
    ) -> None:
        self.root, self.pools, self.teacher, self.logs, self.jobs = root, pools, teacher, logs, jobs
        self.exact_labels = exact_labels
        self._lock = Lock()

    @property
    def record(self) -> dict:
        """What was made: pools, teacher, numbers of frames, seconds."""
        return read_json(self.root / 'data.json')

    def note(self, key: str, value: object) -> None:
        """Put an entry into the record."""
        write_json(self.root / 'data.json', {**self.record, key: value})

    def make_towns(self) -> None:
        """Images, maps, info files and labels of all pools.

        Raises:
            ValueError: the folder holds other pools, or labels of another teacher.
            CommandError: a tool failed.
        """
        made = {'pools': {name: asdict(pool) for name, pool in self.pools.items()}, 'teacher': self.teacher}
        found = self.record
        for key, value in made.items():
            if found.get(key, value) != value:
                raise ValueError(f'{self.root} was made with {key} {found[key]}, now {value}; choose another folder')
        write_json(self.root / 'data.json', {**found, **made})
        every = [(name, index) for name, pool in self.pools.items() for index in range(pool.towns)]
        with ThreadPoolExecutor(self.jobs) as workers:
            list(workers.map(lambda town: self._make_town(*town), every))
        for name, pool in self.pools.items():
            parts = [_part(name, index) for index in range(pool.towns)]
            if not (self.root / INFOS.format(name)).is_file():
                if name in HELD_OUT:
                    merge_labels(self.root, parts, LABELS_AND_TRUTH, 'truth/bev_labels')
                elif name == 'train':
                    merge_labels(self.root, parts, LABELS, source=f'{self._maps}bev_labels')
                merge_infos(self.root, parts, pool.split, name)
        self.note('numbers', scene_numbers(self.root, list(self.pools)))

    def make_pseudo_labels(self, setting: str) -> None:
        """The teacher's labels of the images that a setting sees."""
        teacher = ['--teacher', 'mmseg', '--config', TEACHER, '--checkpoint', TEACHER.with_suffix('.pth')]
        if self.teacher == 'oracle':
            teacher = ['--teacher', 'oracle', '--oracle-root', collect_oracles(self.root)]
        folder = self.root / 'pseudo_labels'
        self._measure(
            'teacher', folder.glob, 'confidence/*/*.png', self.frames_seen(setting) * NUM_CAMERAS,
            'generate_pseudo_labels.py', '--infos', *self._seen(setting), '--data-root', self.root, '--out', folder,
            *teacher, '--batch-size', NUM_CAMERAS, '--autocast', 'bfloat16', '--quiet', processes=self.jobs,
        )  # fmt: skip

    def accumulate(self, setting: str) -> None:
        """BEV targets of the frames that a setting sees, made of these frames' pseudo-labels alone."""
        out = self.root / 'accumulated' / setting
        self._measure(
            f'accumulation_{setting}', out.glob, '*.npz', self.frames_seen(setting),
            'accumulate_pseudo_labels.py', '--infos', *self._seen(setting), '--pseudo-labels',
            self.root / 'pseudo_labels', '--label-map', 'mapillary_v2', '--classes', *PAINT, '--out', out, '--workers',
            self.jobs, '--quiet',
        )  # fmt: skip

    def register_labels(self) -> None:
        """Labels of the maps of train, each fitted to the pseudo-labels of its scene."""
        towns = [f'train_{index}' for index in range(self.pools['train'].towns)]
        todo = [town for town in towns if not (self.root / 'registered' / town).is_dir()]
        with ThreadPoolExecutor(self.jobs) as pool:
            seconds = sum(pool.map(self._register, todo))
        if todo:
            scenes = len(todo) * self.pools['train'].scenes
            rates = self.record.get('seconds_per_file', {})
            rates['registration'] = {'seconds': seconds / scenes, 'files': scenes}
            self.note('seconds_per_file', rates)
        merge_labels(self.root, [f'registered/{town}' for town in towns], REGISTERED, source='')

    @property
    def _maps(self) -> str:
        """Where a town keeps the maps that training labels are drawn of."""
        return 'truth/' if self.exact_labels else ''

    def _register(self, name: str) -> float:
        town, out = self.root / 'towns' / name, self.root / 'registered' / name
        out.parent.mkdir(exist_ok=True)
        return run_tool(
            'register_labels.py', '--infos', town / INFOS.format('train'), '--root', town / self._maps,
            '--pseudo-labels', self.root / 'pseudo_labels', '--label-map', 'mapillary_v2', '--out', out, '--quiet',
            log=self.logs / f'registration_{name}.log',
        )  # fmt: skip

    def frames_seen(self, setting: str) -> int:
        """Keyframes (of six images) that a setting sees."""
        numbers = self.record['numbers']
        return sum(numbers[name]['keyframes'] for name in POOLS_SEEN[setting])

    def seconds(self, setting: str, accumulates: bool) -> dict[str, float]:
        """A core's, for the teacher and the accumulation of a setting's frames; nothing where none is needed."""
        if setting not in SETTINGS:
            return {}
        rates = self.record['seconds_per_file']
        frames = self.frames_seen(setting)
        seconds = {'teacher': frames * NUM_CAMERAS * rates['teacher']['seconds']}
        if accumulates:
            seconds['accumulation'] = frames * rates[f'accumulation_{setting}']['seconds']
        return seconds

    def registration_seconds(self, fraction: float) -> float:
        """A core's, for a share of the labelled scenes."""
        scenes = round(fraction * self.record['numbers']['train']['scenes'])
        return scenes * self.record['seconds_per_file']['registration']['seconds']

    def _make_town(self, name: str, index: int) -> None:
        pool, town, log = self.pools[name], self.root / _part(name, index), self.logs / f'{name}_{index}.log'
        if not town.exists():
            options = dict(scenes=pool.scenes, frames=pool.frames, seed=pool.seed + index)
            seconds = run_tool(
                'create_synthetic_nuscenes.py', '--out', town, '--version', VERSION, '--split', pool.split,
                '--annotation-noise', 'nuscenes', *(f'--{key}={value}' for key, value in options.items()), log=log,
            )  # fmt: skip
            with self._lock:
                before = self.record.get('seconds', {})
                self.note('seconds', {**before, f'generation_{name}_{index}': round(seconds, 1)})
        create = ['create_data.py', '--version', VERSION, '--quiet', '--root']
        if not (town / INFOS.format(pool.split)).is_file():
            run_tool(*create, town, '--out', town, log=log)
        exact = name in HELD_OUT or (name == 'train' and self.exact_labels)
        if exact and not (town / 'truth' / 'bev_labels').is_dir():
            run_tool(*create, town / 'truth', '--out', town / 'truth', '--labels-only', log=log)

    def _seen(self, setting: str) -> list[Path]:
        return [self.root / INFOS.format(name) for name in POOLS_SEEN[setting]]

    def _measure(
        self, key: str, find: Callable, pattern: str, total: int, tool: str, *arguments: object, processes: int = 1
    ) -> None:
        """Run a tool until there are `total` files, and note a core's seconds for each, by the call that wrote most."""
        before = sum(1 for _ in find(pattern))
        rates = self.record.get('seconds_per_file', {})
        if before >= total and key in rates:
            return
        seconds = self.jobs * run_tool(tool, *arguments, log=self.logs / f'{key}.log', processes=processes)
        written = sum(1 for _ in find(pattern)) - before
        if not written and key not in rates:
            raise ValueError(f'{self.root}: the files of {tool} are there, their seconds are not; delete the files')
        if written > rates.get(key, {}).get('files', 0):
            self.note('seconds_per_file', {**rates, key: {'seconds': seconds / written, 'files': written}})


def collect_oracles(root: Path) -> Path:
    """Link the exact labels of all towns in one folder, as a teacher of all towns, and return it."""
    folder = root / 'oracle'
    for town in sorted((root / 'towns').iterdir()):
        for source in (town / 'oracle').rglob('*.*'):
            target = folder / source.relative_to(town / 'oracle')
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.symlink_to(source.resolve())
    return folder


def _part(name: str, index: int) -> str:
    return f'towns/{name}_{index}'
