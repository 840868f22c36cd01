"""A run: a recipe with its share of labels, its images and steps, the configs made of them, and the data they read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mmengine.config import Config, ConfigDict

from ssl_bev.engine import load_config
from ssl_bev.engine.config_datasets import train_dataloaders, train_datasets

from .steps import PROJECT
from .towns import INFOS, PUBLISHED, REGISTERED

RECIPES = PROJECT / 'projects' / 'LabelEfficiency' / 'configs'
COMPLETION = PROJECT / 'configs' / 'synthetic' / 'map_completion.py'
COMPLETION_STEPS, COMPLETION_EPOCHS = 600, 3
# Folder of completed maps -> the labels that the completion learns from.
COMPLETED = {'completed': REGISTERED, 'completed_published': PUBLISHED}
IMAGES = {'same': ('train',), 'more': ('train', 'unlabelled')}
# Enough to see that everything runs.
TOY_STEPS = 10
TOY_OPTIONS = {
    'model.bev_encoder.bev_shape': (15, 30),
    'model.seg_head.num_upsamples': 3,
    'train_dataloader.num_workers': 0,
    'val_dataloader.num_workers': 0,
    'test_dataloader.num_workers': 0,
    'default_hooks.checkpoint.interval': 100,
    'default_hooks.logger.interval': 1,
    'train_cfg.val_interval': 5,
}


@dataclass(frozen=True)
class Run:
    """One training.

    Args:
        root: folder of the data.
        recipe: name of a config in projects/LabelEfficiency/configs, or the path of another one in the project.
        share: of the training scenes that have labels.
        seed: of weights, order, augmentation, and of the draw of labelled scenes.
        images: 'same' = those of all training scenes; 'more' = those of unlabelled towns, too.
        steps: of training; None: as many as the recipe's epochs make of the data.
        options: `a.b.c` -> value that replaces the config's.
        protocol: of the labels; configs/protocols/{protocol}.py says what it changes in a recipe and a completion.

    Raises:
        FileNotFoundError: there is no such recipe.
        ValueError: a share out of range.
    """

    root: Path
    recipe: str
    share: float = 1.0
    seed: int = 0
    images: str = 'more'
    steps: int | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    protocol: str | None = None

    def __post_init__(self) -> None:
        if not self.path.is_file():
            known = ', '.join(sorted(path.stem for path in RECIPES.glob('[!_]*.py')))
            raise FileNotFoundError(f'recipe {self.recipe}: {self.path} does not exist; there are {known}')
        if not 0 < self.share <= 1:
            raise ValueError(f'the share of labels of {self.recipe} must be in (0, 1], got {self.share}')

    @property
    def path(self) -> Path:
        """Of the recipe."""
        return PROJECT / self.recipe if self.recipe.endswith('.py') else RECIPES / f'{self.recipe}.py'

    @property
    def labels(self) -> str:
        """Names the labelled scenes."""
        return f'{100 * self.share:g}pct_seed{self.seed}'

    @property
    def maps(self) -> str:
        """Names the maps that were completed on these labels."""
        return self.labels + (f'_{self.steps}steps' if self.steps and self.steps < COMPLETION_STEPS else '')

    @property
    def name(self) -> str:
        """Unique, and fit for a file."""
        parts = [self.path.stem, self.labels, self.images] + ([f'{self.steps}steps'] if self.steps else [])
        text = json.dumps(self.options, sort_keys=True, default=str)
        return '_'.join(parts + ([hashlib.sha256(text.encode()).hexdigest()[:6]] if self.options else []))

    @cached_property
    def config(self) -> Config:
        """The recipe with these labels, images and steps."""
        config = self._read(self.path)
        for loader in train_dataloaders(config):
            if self.steps:
                _set_batches(loader, self.steps / config.train_cfg.max_epochs)
        for dataset in train_datasets(config):
            if dataset.get('with_labels', True):
                dataset.update(label_fraction=self.share, label_seed=self.seed)
            else:
                dataset.ann_file = [INFOS.format(pool) for pool in IMAGES[self.images]]
            for step in dataset.pipeline:
                if step.get('kind') == 'completed':
                    config.preparation = dict(completion=str(self.completion_file(Path(step.root).name)))
                    step.root = f'{step.root}/{self.maps}'
        config.merge_from_dict(dict(self.options))
        return config

    @cached_property
    def completions(self) -> dict[str, Config]:
        """Folder of the completed maps that the recipe reads -> the network that learns to complete them."""
        found = {}
        for folder in COMPLETED.keys() & _folders(self.config):
            found[folder] = config = self._read(COMPLETION, 'completion')
            dataset = config.train_dataloader.dataset
            dataset.update(label_fraction=self.share, label_seed=self.seed, label_dir=COMPLETED[folder])
            if self.steps:
                _set_batches(config.train_dataloader, min(COMPLETION_STEPS, self.steps) / COMPLETION_EPOCHS)
                config.train_cfg.max_epochs = COMPLETION_EPOCHS
        return found

    def completion_file(self, folder: str) -> Path:
        """Where the config of the network is written that completes the maps of a folder."""
        return self.root / 'completion' / folder / f'{self.maps}.py'

    @cached_property
    def reads(self) -> set[str]:
        """Names of the folders below `root` that labels and targets come from."""
        return _folders(self.config).union(*map(_folders, self.completions.values()))

    def _read(self, path: Path, changes: str = 'recipe') -> Config:
        os.environ['SSL_BEV_SYNTHETIC'] = str(self.root)
        config = load_config(path)
        if self.protocol:
            config.merge_from_dict(Config.fromfile(RECIPES / 'protocols' / f'{self.protocol}.py')[changes])
        config.randomness.seed = self.seed
        return config


def _folders(config: Config) -> set[str]:
    names = set()
    for dataset in train_datasets(config):
        roots = [Path(step.root) for step in dataset.pipeline if 'root' in step]
        names |= {root.relative_to(dataset.data_root).parts[0] for root in roots}
        names |= {dataset.get('label_dir', PUBLISHED)} if dataset.get('with_labels', True) else set()
    return names


def _set_batches(loader: ConfigDict, batches: float) -> None:
    """Epochs as long with few labels as with many."""
    length = dict(batch_size=loader.batch_size, batches=max(1, round(batches)))
    loader.sampler = ConfigDict(type='FixedLengthSampler', **length)
