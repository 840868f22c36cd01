"""Values of a config for the data that targets are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from ssl_bev.datasets.calibration import check_bev_frame
from ssl_bev.engine.config_datasets import datasets_of, train_datasets
from ssl_bev.geometry import BEVGrid

from .stage import Frames

_LABEL_KEYS = ('min_confidence', 'mover_margin', 'ego_body', 'teacher', 'label_file', 'confidence_file', 'manifest')


_LINE_KEYS = ('line_width', 'edges', 'inside', 'edge_margin', 'paint_width')


class Reader(NamedTuple):
    """A dataset, and one of its transforms that reads targets."""

    dataset: Mapping
    transform: Mapping


class ConfigValues:
    """Reads datasets, pseudo-labels and grid from a config.

    Args:
        config: of a training.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.training = train_datasets(config)
        loaders = [config[name] for name in ('val_dataloader', 'test_dataloader') if config.get(name)]
        self.datasets = [*self.training, *(each for loader in loaders for each in datasets_of(loader))]

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
        """Arguments of `TargetReader` without the classes."""
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
    def lines(self) -> dict[str, Any]:
        """How the reprojection draws lines, which targets of the same map must follow."""
        reprojection = (_find(self.config.model, 'objectives') or {}).get('reprojection') or {}
        return {key: reprojection[key] for key in _LINE_KEYS if key in reprojection}

    @property
    def grid(self) -> BEVGrid:
        """Of the map that is predicted."""
        head = _find(self.config.model, 'seg_head')
        if not head or 'grid' not in head:
            raise ValueError('the config has no seg_head with a grid, which targets must have')
        return BEVGrid(**head['grid'])


def readers_of(datasets: Sequence[Mapping], kind: str) -> list[Reader]:
    """The transforms that read targets of a kind, see `LoadAccumulatedTargets`."""
    return [
        Reader(dataset, transform)
        for dataset in datasets
        for transform in dataset['pipeline']
        if transform['type'] == 'LoadAccumulatedTargets' and transform.get('kind', 'accumulated') == kind
    ]


def frames_of(datasets: Sequence[Mapping]) -> Frames:
    """The frames of datasets that share a folder of targets.

    Raises:
        ValueError: they differ in the folders of images or roads, or in the BEV frame.
    """
    infos: dict[str, None] = {}
    for dataset in datasets:
        files = [dataset['ann_file']] if isinstance(dataset['ann_file'], str) else dataset['ann_file']
        infos.update({str(Path(info_root(dataset)) / file): None for file in files})
    about = {
        'data_root': {dataset.get('data_root', '') for dataset in datasets},
        'bev_frame': {dataset.get('bev_frame', 'ego') for dataset in datasets},
        'roads': {road_folder(dataset) if dataset.get('roads') else None for dataset in datasets},
    }
    for key, values in about.items():
        if len(values) > 1:
            raise ValueError(f'datasets that share targets must have the same {key}, got {sorted(map(str, values))}')
    one = {key: values.pop() for key, values in about.items()}
    check_bev_frame(one['bev_frame'])
    return Frames(tuple(infos), with_sweeps=any(data.get('frames') == 'all' for data in datasets), **one)


def _one_of(found: Sequence[Mapping]) -> Mapping:
    """The first one; all must have the same values for targets."""
    for key in ('root', 'label_map', *_LABEL_KEYS):
        values = [transform.get(key) for transform in found]
        if any(value != values[0] for value in values):
            raise ValueError(f'LoadPseudoLabels of the training data differ in {key}: {values}; targets need one value')
    return found[0]


def _find(config: Any, key: str) -> Any:
    """The first value of a key, at any depth."""
    if isinstance(config, Mapping):
        return (
            config[key] if key in config else next(filter(None, (_find(each, key) for each in config.values())), None)
        )
    return None


def info_root(dataset: Mapping) -> str:
    """The folder of info files and labels of a dataset."""
    root = dataset.get('info_root')
    return dataset.get('data_root', '') if root is None else root


def road_folder(dataset: Mapping) -> str:
    """The folder of a dataset's roads."""
    return str(Path(info_root(dataset)) / dataset['roads'])
