"""The dataloaders and datasets of a config."""

from __future__ import annotations

from collections.abc import Mapping

from mmengine.config import Config, ConfigDict

from .phases import phases_of


def train_dataloaders(config: Config | Mapping) -> list[ConfigDict]:
    """The training dataloader of each phase, in the order of the phases."""
    loaders = [phase.get('train_dataloader') or 'train_dataloader' for phase in phases_of(config)]
    return [config[loader] if isinstance(loader, str) else loader for loader in loaders]


def train_datasets(config: Config | Mapping) -> list[ConfigDict]:
    """The training datasets of all phases, in the order of the phases."""
    return [dataset for loader in train_dataloaders(config) for dataset in datasets_of(loader)]


def datasets_of(loader: Mapping) -> list[ConfigDict]:
    """The datasets of a dataloader, also those inside wrappers such as `ConcatDataset` and `RepeatDataset`."""
    return _inside(loader['dataset'])


def _inside(dataset: ConfigDict) -> list[ConfigDict]:
    parts = dataset.get('datasets') or ([dataset['dataset']] if 'dataset' in dataset else [])
    return [each for part in parts for each in _inside(part)] if parts else [dataset]
