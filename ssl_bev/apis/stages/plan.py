"""Which stages a config needs, and with which values: read from what its datasets load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from ssl_bev.datasets.calibration import check_bev_frame
from ssl_bev.engine import load_config
from ssl_bev.engine.config_datasets import datasets_of, train_dataloaders
from ssl_bev.engine.phases import suggest
from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation.accumulate_dataset import Accumulation
from ssl_bev.preparation.estimate_roads import RoadEstimation
from ssl_bev.preparation.map_geometry import BASE_CLASSES, ClassSpec

from .completion import CompletionStage
from .from_labels import AccumulationStage, RegistrationStage, RoadStage
from .stage import Frames, Stage

REGISTERED = '_registered'
# What `preparation` of a config may hold: values that training does not need.
_OWN_KEYS = ('road', 'accumulation', 'registration', 'completion')
_LABEL_KEYS = ('min_confidence', 'mover_margin', 'ego_body', 'teacher', 'label_file', 'confidence_file', 'manifest')


class _Reader(NamedTuple):
    """A dataset, and one of its transforms that reads targets."""

    dataset: Mapping
    transform: Mapping


def plan_stages(config: Config) -> list[Stage]:
    """The stages that a config needs before training, in the order in which they run.

    - **road**: a dataset has `roads`. `preparation.road` says how they are found, as arguments of `RoadEstimation`.
    - **accumulation**: a pipeline has `LoadAccumulatedTargets`, or the completion has. `preparation.accumulation` may
      hold arguments of `Accumulation` that are not in the config otherwise, such as `max_distance`.
    - **registration**: a `label_dir` ends with `_registered`. Its classes are those of the config's `protocol`, or the
      base classes; `preparation.registration` may hold `line_width`.
    - **completion**: a pipeline has `LoadAccumulatedTargets(kind='completed')`. `preparation.completion` is the config
      file of the `MapCompletion`, which is trained in `{root}_network`.

    Label map, confidences and ego body are those of `LoadPseudoLabels`; the grid is that of `model.seg_head`.

    Raises:
        FileNotFoundError: the config of the completion does not exist.
        ValueError: a value that is needed is not in the config, an unknown key of `preparation`, or parts that
            contradict each other.
    """
    own = config.get('preparation') or {}
    for key in own:
        if key not in _OWN_KEYS:
            raise ValueError(f'preparation has an unknown key {key!r}; {suggest(key, _OWN_KEYS)}')
    return _Planner(config, own).stages()


class _Planner:
    def __init__(self, config: Config, own: Mapping) -> None:
        self.config, self.own = config, own
        self.training = [each for loader in train_dataloaders(config) for each in datasets_of(loader)]
        loaders = [config[name] for name in ('val_dataloader', 'test_dataloader') if config.get(name)]
        self.datasets = [*self.training, *(each for loader in loaders for each in datasets_of(loader))]
        self.road: list[Stage] = []

    def stages(self) -> list[Stage]:
        completed, evidence, learning = self._readers(self.datasets, 'completed'), [], []
        networks = {_read_completion(self.own) for _ in completed[:1]}
        for path in networks:
            completion = load_config(path)
            learning = [each for loader in train_dataloaders(completion) for each in datasets_of(loader)]
            evidence = self._readers(learning, 'accumulated')
        every = [*self.datasets, *learning]
        self.road = self._roads(every)
        evidence = [*self._readers(self.datasets, 'accumulated'), *evidence]
        if completed and not evidence:
            raise ValueError(
                f'{completed[0].transform["root"]}: the config of the completion reads no accumulated targets'
            )
        # The frames whose maps are completed need evidence as well.
        evidence += [_Reader(reader.dataset, evidence[-1].transform) for reader in completed]
        votes = self._accumulation(evidence)
        registered = self._registration(every)
        maps = [
            self._completion(load_config(path), readers, [*votes, *registered])
            for path in networks
            for readers in _by_root(completed).values()
        ]
        return [*self.road, *votes, *registered, *maps]

    def _readers(self, datasets: Sequence[Mapping], kind: str) -> list[_Reader]:
        return [
            _Reader(dataset, transform)
            for dataset in datasets
            for transform in dataset['pipeline']
            if transform['type'] == 'LoadAccumulatedTargets' and transform.get('kind', 'accumulated') == kind
        ]

    def _roads(self, datasets: Sequence[Mapping]) -> list[Stage]:
        folders: dict[str, list[Mapping]] = {}
        for dataset in datasets:
            if dataset.get('roads'):
                folders.setdefault(_road_folder(dataset), []).append(dataset)
        return [self._road(folder, users) for folder, users in folders.items()]

    def _road(self, folder: str, datasets: Sequence[Mapping]) -> Stage:
        frames, estimation = frames_of(datasets), None
        if given := dict(self.own.get('road') or {}):
            labels = None
            if given.get('source') == 'labels':
                labels = self.labels | {'classes': given.pop('classes', None) or self.classes}
            grid = {'grid': BEVGrid(**given.pop('grid'))} if 'grid' in given else {}
            about = dict(with_sweeps=frames.with_sweeps, data_root=frames.data_root, labels=labels)
            estimation = _build(RoadEstimation, 'road', {**about, **grid, **given})
        return RoadStage(Path(folder), frames, estimation=estimation)

    def _accumulation(self, readers: Sequence[_Reader]) -> list[Stage]:
        stages = []
        for root, group in _by_root(readers).items():
            named = [transform.get('classes') or self.classes for _, transform in group]
            classes = list(dict.fromkeys(name for names in named for name in names))
            frames = frames_of([dataset for dataset, _ in group])
            about = dict(
                labels={'mover_margin': 0.0, 'ego_body': None, **self.labels, 'classes': classes},
                grid=self.grid,
                bev_frame=frames.bev_frame,
                with_sweeps=frames.with_sweeps,
                roads=frames.roads,
            )
            accumulation = _build(Accumulation, 'accumulation', about | dict(self.own.get('accumulation') or {}))
            stages.append(AccumulationStage(Path(root), frames, tuple(self.road), accumulation=accumulation))
        return stages

    def _registration(self, datasets: Sequence[Mapping]) -> list[Stage]:
        folders: dict[str, list[Mapping]] = {}
        for dataset in datasets:
            name = dataset.get('label_dir', '')
            if dataset.get('with_labels', True) and name.endswith(REGISTERED):
                folders.setdefault(str(Path(_info_root(dataset)) / name), []).append(dataset)
        protocol = self.config.get('protocol') or {}
        specs = [ClassSpec(**spec) for spec in protocol.get('label_classes', ())] or BASE_CLASSES
        own = dict(self.own.get('registration') or {})
        about = dict(labels=self.labels, grid=self.grid, classes=specs, **own) if folders else {}
        return [
            _build(
                RegistrationStage,
                'registration',
                dict(about, out=Path(folder), frames=frames_of(users), after=self.road),
            )
            for folder, users in folders.items()
        ]

    def _completion(self, config: Config, readers: Sequence[_Reader], after: Sequence[Stage]) -> Stage:
        datasets = [dataset for dataset, _ in readers]
        frames = frames_of(datasets)
        evidence = [each for each in config.test_dataloader.dataset.pipeline if each.type == 'LoadAccumulatedTargets']
        taken = {key: datasets[0][key] for key in ('data_root', 'info_root', 'roads', 'frames') if key in datasets[0]}
        files = [str(Path(path).relative_to(_info_root(datasets[0]))) for path in frames.infos]
        return CompletionStage(
            Path(readers[0].transform['root']), frames, tuple(after),
            config=config, evidence=evidence[0].root, dataset={**taken, 'ann_file': files},
        )  # fmt: skip

    @property
    def pseudo_labels(self) -> Mapping:
        """The `LoadPseudoLabels` of the training data, or else of a config that only names `ssl_dataloader`."""
        others = datasets_of(self.config.ssl_dataloader) if 'ssl_dataloader' in self.config else []
        for datasets in (self.training, others):
            found = [each for data in datasets for each in data['pipeline'] if each['type'] == 'LoadPseudoLabels']
            if found:
                return _one_of(found)
        raise ValueError('the config reads targets that are made of pseudo-labels, but has no LoadPseudoLabels')

    @property
    def labels(self) -> dict[str, Any]:
        """Arguments of `TargetReader` but for the classes."""
        found = self.pseudo_labels
        if found.get('ignore_cameras'):
            raise ValueError(
                'ignore_cameras of LoadPseudoLabels cannot be kept in targets; set ego_body of the cameras'
            )
        labels = {key: found[key] for key in ('root', 'label_map', *_LABEL_KEYS) if key in found}
        return {'min_confidence': 0.0, **labels}

    @property
    def classes(self) -> list[str]:
        """Of the pseudo-labels."""
        return list(self.pseudo_labels.get('classes', ('drivable', 'marking', 'crosswalk')))

    @property
    def grid(self) -> BEVGrid:
        """Of the map that is predicted."""
        head = _find(self.config.model, 'seg_head')
        if not head or 'grid' not in head:
            raise ValueError('the config has no seg_head with a grid, which targets must have')
        return BEVGrid(**head['grid'])


def frames_of(datasets: Sequence[Mapping]) -> Frames:
    """The frames of datasets that share a folder of targets.

    Raises:
        ValueError: they differ in where images or roads lie, or in the BEV frame.
    """
    infos: dict[str, None] = {}
    for dataset in datasets:
        files = [dataset['ann_file']] if isinstance(dataset['ann_file'], str) else dataset['ann_file']
        infos.update({str(Path(_info_root(dataset)) / file): None for file in files})
    about = {
        'data_root': {dataset.get('data_root', '') for dataset in datasets},
        'bev_frame': {dataset.get('bev_frame', 'ego') for dataset in datasets},
        'roads': {_road_folder(dataset) if dataset.get('roads') else None for dataset in datasets},
    }
    for key, values in about.items():
        if len(values) > 1:
            raise ValueError(f'datasets that share targets must have the same {key}, got {sorted(map(str, values))}')
    one = {key: values.pop() for key, values in about.items()}
    check_bev_frame(one['bev_frame'])
    return Frames(tuple(infos), with_sweeps=any(data.get('frames') == 'all' for data in datasets), **one)


def _read_completion(own: Mapping) -> str:
    if not own.get('completion'):
        raise ValueError(
            "the config reads completed maps (kind='completed'), but does not say which network completes them; set "
            'preparation = dict(completion=CONFIG), such as configs/map_completion.py'
        )
    return own['completion']


def _by_root(readers: Sequence[_Reader]) -> dict[str, list[_Reader]]:
    groups: dict[str, list[_Reader]] = {}
    for reader in readers:
        groups.setdefault(str(reader.transform['root']), []).append(reader)
    return groups


def _build(kind: type, stage: str, arguments: Mapping) -> Any:
    try:
        return kind(**arguments)
    except TypeError as error:
        raise ValueError(f'preparation.{stage}: {error}') from error


def _one_of(found: Sequence[Mapping]) -> Mapping:
    """The first; all must say the same of what targets depend on."""
    for key in ('root', 'label_map', *_LABEL_KEYS):
        values = [transform.get(key) for transform in found]
        if any(value != values[0] for value in values):
            raise ValueError(f'LoadPseudoLabels of the training data differ in {key}: {values}; targets need one value')
    return found[0]


def _find(config: Any, key: str) -> Any:
    """The first value of a key, however deep it lies."""
    if isinstance(config, Mapping):
        return (
            config[key] if key in config else next(filter(None, (_find(each, key) for each in config.values())), None)
        )
    return None


def _info_root(dataset: Mapping) -> str:
    root = dataset.get('info_root')
    return dataset.get('data_root', '') if root is None else root


def _road_folder(dataset: Mapping) -> str:
    return str(Path(_info_root(dataset)) / dataset['roads'])
