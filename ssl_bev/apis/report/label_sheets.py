"""Sheets of the pseudo-labels that a config trains on."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from mmengine.config import Config

from ssl_bev.apis.browse_pseudo_labels import browse_pseudo_labels
from ssl_bev.engine.config_datasets import train_datasets
from ssl_bev.files import read_picture
from ssl_bev.preparation.accumulate_dataset import Accumulation
from ssl_bev.pseudo_labels.target_reader import TargetReader


@dataclass(frozen=True)
class LabelSource:
    """Pseudo-labels of a training set.

    Args:
        info_files: of the frames.
        data_root: folder of the images.
        labels: arguments of `TargetReader`.
        max_distance: of `LoadPseudoLabels`, metres; None: no limit.
        roads: folder of tools/estimate_road.py, or None.
        bev_frame: 'ego' or 'lidar'.
    """

    info_files: tuple[str, ...]
    data_root: str
    labels: Mapping
    max_distance: float | None
    roads: str | None
    bev_frame: str


def find_label_sources(config: Config) -> list[LabelSource]:
    """The pseudo-labels of the dataloaders of all phases of the config, each once."""
    sources = []
    for dataset in train_datasets(config) if config.get('train_dataloader') else []:
        sources += [source for source in _sources(dataset) if source not in sources]
    return sources


def draw_sheets(
    source: LabelSource, count: int, data_root: Path | None = None
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Sheets of some frames, evenly spread, and the fraction of each teacher class in them.

    Returns:
        frame token -> (rows, columns, 3) uint8 BGR; class -> fraction of pixels.

    Raises:
        FileNotFoundError, ValueError: as `browse_pseudo_labels`.
    """
    distance = {} if source.max_distance is None else dict(max_distance=source.max_distance)
    settings = dict(roads=source.roads, bev_frame=source.bev_frame, single_frames=True, **distance)
    accumulation = Accumulation(source.labels, **settings)
    with TemporaryDirectory() as folder:
        root = source.data_root if data_root is None else data_root
        shares = browse_pseudo_labels(source.info_files, root, folder, accumulation, limit=count, show_progress=False)
        files = sorted(Path(folder).glob('*.png'))
        return {file.stem: read_picture(file) for file in files if file.stem != 'histogram'}, shares


def _sources(dataset: Mapping) -> Iterator[LabelSource]:
    known = inspect.signature(TargetReader).parameters
    info_root = Path(dataset.get('info_root') or dataset.get('data_root', ''))
    roads = dataset.get('roads')
    for step in dataset.get('pipeline', ()):
        if step.get('type') == 'LoadPseudoLabels':
            files = [dataset['ann_file']] if isinstance(dataset['ann_file'], str) else dataset['ann_file']
            yield LabelSource(
                tuple(str(info_root / file) for file in files),
                dataset.get('data_root', ''),
                {'classes': ('drivable', 'marking', 'crosswalk')} | {k: v for k, v in step.items() if k in known},
                step.get('max_distance'),
                None if roads is None else str(info_root / roads),
                dataset.get('bev_frame', 'ego'),
            )
