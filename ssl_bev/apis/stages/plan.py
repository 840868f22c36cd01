"""The stages that a config needs, with their values, read from its datasets."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ssl_bev.engine import load_config
from ssl_bev.engine.config_datasets import train_datasets
from ssl_bev.files.rules import suggest
from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation.accumulate_dataset import Accumulation
from ssl_bev.preparation.estimate_roads import RoadEstimation
from ssl_bev.preparation.map_geometry import BASE_CLASSES, ClassSpec

from .completion import CompletionStage
from .config_values import ConfigValues, Reader, frames_of, info_root, readers_of, road_folder
from .from_labels import AccumulationStage, RegistrationStage, RoadStage
from .stage import Stage

REGISTERED = '_registered'
# Keys of `preparation` in a config: values that training does not need.
_OWN_KEYS = ('road', 'accumulation', 'registration', 'completion')


def plan_stages(config: Config) -> list[Stage]:
    """The stages that a config needs before training, in order.

    - **road**: a dataset has `roads`. `preparation.road` has the arguments of `RoadEstimation`.
    - **accumulation**: a pipeline or the completion has `LoadAccumulatedTargets`. For a training, lines are drawn as in
      its `reprojection`; a completion reads areas. `preparation.accumulation` may contain further arguments of
      `Accumulation`, such as `max_distance`.
    - **registration**: a `label_dir` ends with `_registered`. Its classes are those of the `protocol` of the config, or
      the base classes; `preparation.registration` may contain `line_width`.
    - **completion**: a pipeline has `LoadAccumulatedTargets(kind='completed')`. `preparation.completion` is the config
      file of the `MapCompletion`, which is trained in `{root}_network`.

    Label map, confidences and ego body are those of `LoadPseudoLabels`; the grid is that of `model.seg_head`.

    Raises:
        FileNotFoundError: the config of the completion does not exist.
        ValueError: a missing value in the config, an unknown key of `preparation`, or contradictory parts.
    """
    own = config.get('preparation') or {}
    for key in own:
        if key not in _OWN_KEYS:
            raise ValueError(f'preparation has an unknown key {key!r}; {suggest(key, _OWN_KEYS)}')
    return _Planner(config, own).stages()


class _Planner:
    def __init__(self, config: Config, own: Mapping) -> None:
        self.config, self.own, self.values = config, own, ConfigValues(config)
        self.road: list[Stage] = []

    def stages(self) -> list[Stage]:
        completed, evidence, learning = readers_of(self.values.datasets, 'completed'), [], []
        networks = {_read_completion(self.own) for _ in completed[:1]}
        for path in networks:
            completion = load_config(path)
            learning = train_datasets(completion)
            evidence = readers_of(learning, 'accumulated')
        every = [*self.values.datasets, *learning]
        self.road = self._roads(every)
        trained_on = readers_of(self.values.datasets, 'accumulated')
        evidence = [*trained_on, *evidence]
        if completed and not evidence:
            raise ValueError(
                f'{completed[0].transform["root"]}: the config of the completion reads no accumulated targets'
            )
        # The frames whose maps are completed also need evidence.
        evidence += [Reader(reader.dataset, evidence[-1].transform) for reader in completed]
        votes = self._accumulation(evidence, _by_root(trained_on))
        registered = self._registration(every)
        maps = [
            self._completion(load_config(path), readers, [*votes, *registered])
            for path in networks
            for readers in _by_root(completed).values()
        ]
        return [*self.road, *votes, *registered, *maps]

    def _roads(self, datasets: Sequence[Mapping]) -> list[Stage]:
        folders: dict[str, list[Mapping]] = {}
        for dataset in datasets:
            if dataset.get('roads'):
                folders.setdefault(road_folder(dataset), []).append(dataset)
        return [self._road(folder, users) for folder, users in folders.items()]

    def _road(self, folder: str, datasets: Sequence[Mapping]) -> Stage:
        frames, estimation = frames_of(datasets), None
        if given := dict(self.own.get('road') or {}):
            labels = None
            if given.get('source') == 'labels':
                labels = self.values.labels | {'classes': given.pop('classes', None) or self.values.classes}
            grid = {'grid': BEVGrid(**given.pop('grid'))} if 'grid' in given else {}
            about = dict(with_sweeps=frames.with_sweeps, data_root=frames.data_root, labels=labels)
            estimation = _build(RoadEstimation, 'road', {**about, **grid, **given})
        return RoadStage(Path(folder), frames, estimation=estimation)

    def _accumulation(self, readers: Sequence[Reader], trained_on: Container[str]) -> list[Stage]:
        stages = []
        for root, group in _by_root(readers).items():
            named = [transform.get('classes') or self.values.classes for _, transform in group]
            own = dict(self.own.get('accumulation') or {})
            if root in trained_on:
                own = self.values.lines | own
            classes = list(dict.fromkeys(name for names in named for name in names if name not in own.get('edges', ())))
            frames = frames_of([dataset for dataset, _ in group])
            about = dict(
                labels={'mover_margin': 0.0, 'ego_body': None, **self.values.labels, 'classes': classes},
                grid=self.values.grid,
                bev_frame=frames.bev_frame,
                with_sweeps=frames.with_sweeps,
                roads=frames.roads,
            )
            accumulation = _build(Accumulation, 'accumulation', about | own)
            stages.append(AccumulationStage(Path(root), frames, tuple(self.road), accumulation=accumulation))
        return stages

    def _registration(self, datasets: Sequence[Mapping]) -> list[Stage]:
        folders: dict[str, list[Mapping]] = {}
        for dataset in datasets:
            name = dataset.get('label_dir', '')
            if dataset.get('with_labels', True) and name.endswith(REGISTERED):
                folders.setdefault(str(Path(info_root(dataset)) / name), []).append(dataset)
        protocol = self.config.get('protocol') or {}
        specs = [ClassSpec(**spec) for spec in protocol.get('label_classes', ())] or BASE_CLASSES
        own = dict(self.own.get('registration') or {})
        about = dict(labels=self.values.labels, grid=self.values.grid, classes=specs, **own) if folders else {}
        return [
            _build(
                RegistrationStage,
                'registration',
                dict(about, out=Path(folder), frames=frames_of(users), after=self.road),
            )
            for folder, users in folders.items()
        ]

    def _completion(self, config: Config, readers: Sequence[Reader], after: Sequence[Stage]) -> Stage:
        datasets = [dataset for dataset, _ in readers]
        frames = frames_of(datasets)
        evidence = [each for each in config.test_dataloader.dataset.pipeline if each.type == 'LoadAccumulatedTargets']
        taken = {key: datasets[0][key] for key in ('data_root', 'info_root', 'roads', 'frames') if key in datasets[0]}
        files = [str(Path(path).relative_to(info_root(datasets[0]))) for path in frames.infos]
        return CompletionStage(
            Path(readers[0].transform['root']), frames, tuple(after),
            config=config, evidence=evidence[0].root, dataset={**taken, 'ann_file': files},
        )  # fmt: skip


def _read_completion(own: Mapping) -> str:
    if not own.get('completion'):
        raise ValueError(
            "the config reads completed maps (kind='completed'), but does not say which network completes them; set "
            'preparation = dict(completion=CONFIG), such as configs/map_completion.py'
        )
    return own['completion']


def _by_root(readers: Sequence[Reader]) -> dict[str, list[Reader]]:
    groups: dict[str, list[Reader]] = {}
    for reader in readers:
        groups.setdefault(str(reader.transform['root']), []).append(reader)
    return groups


def _build(kind: type, stage: str, arguments: Mapping) -> Any:
    try:
        return kind(**arguments)
    except TypeError as error:
        raise ValueError(f'preparation.{stage}: {error}') from error
