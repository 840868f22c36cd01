"""BEV targets from the pseudo-labels of all scenes of a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from ssl_bev.datasets.accumulated_target_files import start_folder, target_path, write_target
from ssl_bev.datasets.calibration import check_bev_frame
from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.datasets.road_files import RoadReader, add_roads
from ssl_bev.datasets.windows import flatten_frames
from ssl_bev.geometry import BEVGrid
from ssl_bev.models.objectives.cell_labels import ReadingRule, reading_rules
from ssl_bev.pseudo_labels.manifest import MANIFEST, read_manifest
from ssl_bev.pseudo_labels.target_reader import TargetReader
from ssl_bev.pseudo_labels.validity import check_cameras

from .accumulate_scene import accumulate_scene, crop_frame
from .parallel import check_workers, for_each

DEFAULT_GRID = BEVGrid((-30, 30), (-15, 15), 0.25)


@dataclass(frozen=True)
class Accumulation:
    """Settings of accumulation.

    Args:
        labels: arguments of `TargetReader`: root, label_map, classes, min_confidence, mover_margin, ego_body, teacher.
        grid: of the targets.
        bev_frame: 'ego' or 'lidar', of the targets.
        with_sweeps: frames between keyframes also vote and get targets.
        single_frames: the targets of each frame come only from its own cameras.
        raster_cell_size: of the raster of the scene, metres; None: half of that of the grid.
        max_distance, max_pixels: as in `SceneEvidence`.
        full_weight: evidence, in certain pixels, from which a cell has the full weight.
        roads: folder of tools/estimate_road.py; None: as the info files say, or else the plane under the wheels.
        line_width, edges, paint_width, inside, edge_margin: as in `ReprojectionHead`: the classes that are lines and
            their widths, metres; further classes that are edges of a class; lines without those along the edge of an
            area.

    Raises:
        ValueError: a value out of range.
    """

    labels: Mapping
    grid: BEVGrid = DEFAULT_GRID
    bev_frame: str = 'ego'
    with_sweeps: bool = False
    single_frames: bool = False
    raster_cell_size: float | None = None
    max_distance: float = 30.0
    max_pixels: float = 10.0
    full_weight: float = 1.0
    roads: str | None = None
    line_width: Mapping[str, float] = field(default_factory=dict)
    edges: Mapping[str, str] = field(default_factory=dict)
    paint_width: float = 0.12
    inside: Mapping[str, str] = field(default_factory=dict)
    edge_margin: float = 1.0

    def __post_init__(self) -> None:
        check_bev_frame(self.bev_frame)
        if not self.full_weight > 0:
            raise ValueError(f'full_weight must be positive, got {self.full_weight}')
        _ = self.rules  # checks the names

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the targets: those of the labels, then their edges."""
        return (*self.labels['classes'], *self.edges)

    @property
    def rules(self) -> list[ReadingRule]:
        """How each class is read from the votes."""
        return reading_rules(self.classes, self.line_width, self.edges, self.paint_width, self.inside, self.edge_margin)

    @property
    def raster(self) -> dict:
        """Arguments of `accumulate_scene`."""
        cell_size = self.raster_cell_size or self.grid.cell_size / 2
        return dict(cell_size=cell_size, max_distance=self.max_distance, max_pixels=self.max_pixels)

    def open(self, info_files: Sequence[str | Path]) -> tuple[list[list[dict]], TargetReader]:
        """The frames of each scene, in order of time, and the reader of their labels.

        Raises:
            FileNotFoundError: no info file, or no manifest of the labels.
            ValueError: a broken file, arguments that `TargetReader` refuses, or an `ego_body` of a camera that no frame
                has.
        """
        scenes = read_scenes(info_files, self.with_sweeps)
        labels = TargetReader(**self.labels)
        cameras = dict.fromkeys(camera for scene in scenes for frame in scene for camera in frame['images'])
        check_cameras('ego_body', labels.ego_body.polygons, cameras)
        return scenes, labels

    def settings(self) -> dict:
        """The contents of the manifest: everything that the targets depend on, without paths of this machine."""
        own = ('bev_frame', 'with_sweeps', 'single_frames', 'full_weight')
        lines = ('line_width', 'edges', 'paint_width', 'inside', 'edge_margin')
        labels = {key: value for key, value in self.labels.items() if key not in ('root', 'teacher')}
        manifest = self.labels.get('manifest', MANIFEST)
        return {
            **asdict(self.grid),
            **{key: getattr(self, key) for key in (*own, *lines)},
            'teacher': read_manifest(Path(self.labels['root']) / manifest)['teacher'] if manifest else None,
            'roads': RoadReader(self.roads).manifest if self.roads else None,
            **{f'raster_{key}': value for key, value in self.raster.items()},
            **labels,
            'classes': list(self.classes),
        }


def accumulate_dataset(
    info_files: Sequence[str | Path],
    out: str | Path,
    accumulation: Accumulation,
    workers: int = 1,
    show_progress: bool = True,
) -> dict[str, int]:
    """Write one file of BEV targets for each frame; finished scenes are skipped.

    Args:
        info_files: of tools/create_data.py.
        out: folder, created if missing.
        accumulation: its settings.
        workers: processes.
        show_progress: whether to draw a progress bar.

    Returns:
        The numbers of frames that were written and that existed already.

    Raises:
        FileNotFoundError: no info file, or a missing pseudo-label.
        ValueError: an argument out of range, a broken file, or a folder with targets that were made with other
            settings.
    """
    check_workers(workers)
    scenes, _ = accumulation.open(info_files)  # wrong arguments create no folder
    start_folder(out, accumulation.settings())
    todo = [scene for scene in scenes if not all(target_path(out, f['token']).is_file() for f in scene)]
    counts = {'written': sum(map(len, todo)), 'there': sum(map(len, scenes)) - sum(map(len, todo))}
    write = partial(_write_scene, Path(out), accumulation)
    for _ in for_each(write, todo, workers, 'accumulating', show_progress=show_progress):
        pass
    return counts


def read_scenes(info_files: Sequence[str | Path], with_sweeps: bool) -> list[list[dict]]:
    """The frames of each scene, in order of time.

    Raises:
        FileNotFoundError: no info file.
        ValueError: files without frames, or without sweeps if they are needed.
    """
    keyframes = [frame for path in info_files for frame in read_info_file(path, ['accumulation'])['data_list']]
    files = ', '.join(map(str, info_files))
    if not keyframes:
        raise ValueError(f'no frame in {files}; make it with tools/create_data.py')
    frames = flatten_frames(keyframes, with_sweeps)
    if with_sweeps and all(frame['is_keyframe'] for frame in frames):
        raise ValueError(f'with_sweeps: no sweeps in {files}; make it with tools/create_data.py --max-sweeps')
    scenes: dict[str, list[dict]] = {}
    for frame in frames:
        scenes.setdefault(frame['scene_token'], []).append(frame)
    return list(scenes.values())


def _write_scene(out: Path, accumulation: Accumulation, frames: Sequence[Mapping]) -> None:
    frames = add_roads(frames, accumulation.roads)
    labels = TargetReader(**accumulation.labels)
    for voters in [[frame] for frame in frames] if accumulation.single_frames else [frames]:
        scene = accumulate_scene(voters, labels, **accumulation.raster, rules=accumulation.rules)
        for frame in voters:
            probability, evidence = crop_frame(scene, frame, accumulation.grid, accumulation.bev_frame)
            write_target(out, frame['token'], probability, np.minimum(evidence / accumulation.full_weight, 1))
