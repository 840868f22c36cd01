"""Stages that need only labels, maps or lidar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ssl_bev.datasets import accumulated_target_files, road_files
from ssl_bev.datasets.bev_label_files import label_path, read_label_manifest
from ssl_bev.files.manifest_folder import check_made_with
from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation.accumulate_dataset import Accumulation, accumulate_dataset
from ssl_bev.preparation.estimate_roads import SOURCES, RoadEstimation, estimate_roads
from ssl_bev.preparation.map_geometry import ClassSpec
from ssl_bev.preparation.register_labels import register_labels, registration_settings

from .stage import Stage


@dataclass(frozen=True)
class RoadStage(Stage):
    """The roads.

    Args:
        estimation: its settings; None: existing roads are used.
    """

    estimation: RoadEstimation | None = None
    name = 'road'

    def path(self, token: str) -> Path:
        return road_files.road_path(self.out, token)

    def check(self) -> None:
        if self.estimation is not None:
            road_files.check_folder(self.out, self.estimation.settings())
        elif self.missing:
            raise ValueError(
                f'the config reads roads from {self.out}, which lacks {self.missing} of {len(self.frames.tokens)} '
                f'frames, and does not say what they are found from; set preparation = dict(road=dict(source=...)) to '
                f'one of {SOURCES}, or run tools/estimate_road.py'
            )

    def run(self, workers: int = 1, device: str = 'cpu', show_progress: bool = True) -> None:
        self.check()
        if self.estimation is not None:
            estimate_roads(self.frames.infos, self.out, self.estimation, workers, show_progress)


@dataclass(frozen=True)
class AccumulationStage(Stage):
    """Votes of the pseudo-labels of a scene.

    Args:
        accumulation: its settings.
    """

    accumulation: Accumulation | None = None
    name = 'accumulation'

    def path(self, token: str) -> Path:
        return accumulated_target_files.target_path(self.out, token)

    def check(self) -> None:
        accumulated_target_files.check_folder(self.out, self.accumulation.settings())

    def run(self, workers: int = 1, device: str = 'cpu', show_progress: bool = True) -> None:
        accumulate_dataset(self.frames.infos, self.out, self.accumulation, workers, show_progress)


@dataclass(frozen=True)
class RegistrationStage(Stage):
    """BEV labels of maps that were fitted to the pseudo-labels.

    Args:
        labels: arguments of `TargetReader` without the classes.
        grid, classes, line_width: of the BEV labels.
    """

    labels: Mapping | None = None
    grid: BEVGrid | None = None
    classes: Sequence[ClassSpec] = ()
    line_width: float = 0.5
    name = 'registration'

    def path(self, token: str) -> Path:
        return label_path(self.out, token)

    def check(self) -> None:
        settings = {
            'classes': [spec.name for spec in self.classes],
            **asdict(self.grid),
            'bev_frame': self.frames.bev_frame,
            'registration': registration_settings(self.labels, self.line_width, self.frames.roads),
        }
        if not self.out.exists():
            return
        found = read_label_manifest(self.out)
        check_made_with(self.out, 'BEV labels', {key: found.get(key) for key in settings}, settings)
        if self.missing:
            raise ValueError(
                f'{self.out} lacks {self.missing} of {len(self.frames.tokens)} frames, and registered labels are made '
                'all at once; delete it'
            )

    def run(self, workers: int = 1, device: str = 'cpu', show_progress: bool = True) -> None:
        self.check()
        if not self.out.exists():
            register_labels(
                self.frames.infos, self.frames.data_root, self.labels, self.out, self.grid, self.classes,
                self.line_width, self.frames.bev_frame, show_progress, self.frames.roads,
            )  # fmt: skip
