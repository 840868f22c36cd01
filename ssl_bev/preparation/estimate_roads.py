"""A road for each frame of a dataset: from lidar, from pseudo-labels, or from the path of the vehicle."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ssl_bev.datasets import LoadBEVPoints
from ssl_bev.datasets.calibration import frame_poses
from ssl_bev.datasets.road_files import road_path, start_folder, write_road
from ssl_bev.files import write_text
from ssl_bev.geometry import BEVGrid
from ssl_bev.pseudo_labels.target_reader import TargetReader

from .accumulate_dataset import read_scenes
from .parallel import check_workers, for_each
from .road_from_labels import fit_labels, read_labels
from .road_from_points import fit_details, fit_points, lowest_points
from .road_model import RoadBelief, RoadModel

SOURCES = ('lidar', 'labels', 'poses')
DEFAULT_GRID = BEVGrid((-60, 60), (-30, 30), 2.0)
_PLANE = BEVGrid((-25, 25), (-8, 8), 1.0)  # where the plane of a frame is fitted
REPORTS = 'scenes'


@dataclass(frozen=True)
class RoadEstimation:
    """Settings of road estimation.

    Args:
        source: 'lidar', 'labels' or 'poses'.
        data_root: folder of the lidar files, for 'lidar'.
        labels: arguments of `TargetReader`, for 'labels'.
        grid: of the heights.
        with_sweeps: frames between keyframes also get roads; with 'labels' they need labels.
        planes_only: write no heights.
        belief: the prior.

    Raises:
        ValueError: an unknown source, or missing settings of a source.
    """

    source: str
    data_root: str | None = None
    labels: Mapping | None = None
    grid: BEVGrid = DEFAULT_GRID
    with_sweeps: bool = False
    planes_only: bool = False
    belief: RoadBelief = field(default_factory=RoadBelief)

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ValueError(f'source must be one of {SOURCES}, got {self.source!r}')
        if self.source == 'lidar' and self.data_root is None:
            raise ValueError("source 'lidar' needs data_root, the folder of the lidar files (--data-root)")
        if self.source == 'labels' and self.labels is None:
            raise ValueError("source 'labels' needs labels (--pseudo-labels and --label-map)")

    def settings(self) -> dict:
        """The contents of the manifest: everything that the roads depend on, without paths of this machine."""
        labels = {key: value for key, value in (self.labels or {}).items() if key not in ('root', 'teacher')}
        own = {key: getattr(self, key) for key in ('source', 'with_sweeps', 'planes_only')}
        return {**asdict(self.grid), **own, **asdict(self.belief), **labels}


def estimate_roads(
    info_files: Sequence[str | Path],
    out: str | Path,
    estimation: RoadEstimation,
    workers: int = 1,
    show_progress: bool = True,
) -> dict[str, dict]:
    """Write the road of each frame, and a report of each scene; finished scenes are skipped.

    Args:
        info_files: of tools/create_data.py.
        out: folder, created if missing; `roads` of a dataset.
        estimation: its settings.
        workers: processes.
        show_progress: whether to draw a progress bar.

    Returns:
        scene name or token -> report, of all scenes; see `estimate_scene`.

    Raises:
        FileNotFoundError: no info file, lidar file or pseudo-label.
        ValueError: an argument out of range, a broken file, or a folder with roads that were made with other settings.
    """
    check_workers(workers)
    scenes = read_scenes(info_files, estimation.with_sweeps)
    if estimation.labels is not None:
        TargetReader(**estimation.labels)  # wrong arguments create no folder
    start_folder(out, estimation.settings())
    todo = [scene for scene in scenes if not _is_done(out, scene)]
    for _ in for_each(partial(_write_scene, out, estimation), todo, workers, 'estimating', show_progress=show_progress):
        pass
    reports = ((scene[0], json.loads(_report_path(out, scene).read_text())) for scene in scenes)
    return {frame.get('scene_name') or frame['scene_token']: report for frame, report in reports}


def estimate_scene(
    frames: Sequence[Mapping], estimation: RoadEstimation
) -> tuple[list[tuple[np.ndarray, np.ndarray | None]], dict]:
    """The road of each frame of a scene: road2ego (4, 4), and heights (h, w) over it if requested.

    Returns:
        The roads; and a report: frames; pitch and roll of the planes, degrees, mean and largest absolute value,
        positive where the road rises ahead and to the left; the largest distance from the plane of the wheels within 30
        m ahead; with 'lidar' the fraction of the ground within 30 m that has points; with 'labels' the fraction of the
        variance between frames before and after, and the compared classes.

    Raises:
        FileNotFoundError: no lidar file or pseudo-label.
        ValueError: 'lidar' and a scene without any lidar point, or one that is too large.
    """
    poses = np.array([frame_poses(frame, 'ego')[0] for frame in frames])
    model = RoadModel(poses, estimation.belief)
    found, details, report = model.mean, None, {}
    if estimation.source == 'lidar':
        clouds = [_lidar(frame, estimation.data_root) for frame in frames]
        if all(cloud is None or not len(cloud) for cloud in clouds):
            raise ValueError(
                f'scene {frames[0].get("scene_name") or frames[0]["scene_token"]} has no lidar points near the '
                "vehicle in any frame, which source 'lidar' needs; take --source labels or poses"
            )
        model, found = fit_points(model, clouds)
        details, seen = fit_details(model, found, clouds)
        report['seen'] = round(float(np.mean([_seen(pose, seen) for pose in poses])), 3)
    elif estimation.source == 'labels':
        labels = TargetReader(**estimation.labels)
        report['classes'] = list(labels.available)
        if len(frames) > 1:
            found, agreement = fit_labels(model, read_labels(frames, labels))
            report.update({name: round(value, 4) for name, value in agreement.items()})

    def ground(frame: int, xy: np.ndarray) -> np.ndarray:
        height = model.rows(frame, xy) @ found
        if details is not None:
            height = height + details.rise(torch.from_numpy(model.to_global(frame, xy))).numpy()
        return height

    grounds = [partial(ground, t) for t in range(len(frames))]
    return [_road(each, estimation) for each in grounds], {'frames': len(frames), **_summary(grounds), **report}


def _road(ground: Callable, estimation: RoadEstimation) -> tuple[np.ndarray, np.ndarray | None]:
    road2ego = _fit_plane(ground)
    if estimation.planes_only:
        return road2ego, None
    xy = estimation.grid.cell_centers(dtype=torch.float64).flatten(0, 1).numpy()
    heights = np.zeros(len(xy))
    for _ in range(3):  # on a tilted plane, high points are shifted sideways
        points = np.c_[xy, heights] @ road2ego[:3, :3].T + road2ego[:3, 3]
        heights += (ground(points[:, :2]) - points[:, 2]) * road2ego[2, 2]
    return road2ego, heights.reshape(estimation.grid.shape)


def _fit_plane(ground: Callable) -> np.ndarray:  # (4, 4)
    xy = _PLANE.cell_centers(dtype=torch.float64).flatten(0, 1).numpy()
    height, pitch, roll = np.linalg.lstsq(np.c_[np.ones(len(xy)), xy], ground(xy), rcond=None)[0]
    x, normal = (vector / np.linalg.norm(vector) for vector in (np.array([1, 0, pitch]), np.array([-pitch, -roll, 1])))
    road2ego = np.eye(4)
    road2ego[:3, :3] = np.stack([x, np.cross(normal, x), normal], 1)
    road2ego[2, 3] = height
    return road2ego


def _summary(grounds: Sequence[Callable]) -> dict[str, list[float] | float]:
    planes = [_fit_plane(ground) for ground in grounds]
    ahead = np.stack([np.linspace(0, 30, 31), np.zeros(31)], 1)
    angles = {
        'pitch_degrees': [np.degrees(np.arcsin(plane[2, 0])) for plane in planes],
        'roll_degrees': [np.degrees(np.arcsin(plane[2, 1])) for plane in planes],
    }
    summary = {name: [round(float(np.mean(a)), 2), round(float(np.abs(a).max()), 2)] for name, a in angles.items()}
    return {**summary, 'height_ahead': round(max(float(np.abs(ground(ahead)).max()) for ground in grounds), 2)}


def _lidar(frame: Mapping, data_root: str) -> np.ndarray | None:
    """The lowest points of a frame; None without a lidar file, as for frames between keyframes."""
    if not frame.get('lidar_points', {}).get('lidar_path'):
        return None
    results = dict(frames=[frame], bev_frame='ego', data_root=data_root, data_prefix={})
    return lowest_points(LoadBEVPoints(use_dim=(0, 1, 2))(results)['points'][0])


def _seen(pose: np.ndarray, points: np.ndarray) -> float:
    """The fraction of the square metres of the ground around a frame that have a point; +-30 m along, +-15 m across."""
    xy = (points - pose[:2, 3]) @ np.linalg.inv(pose[:2, :2]).T
    cells = BEVGrid((-30, 30), (-15, 15), 1.0)
    index = np.unique(cells.cell_index(torch.from_numpy(xy)).numpy())
    size = cells.shape[0] * cells.shape[1]
    return float((index < size).sum() / size)


def _write_scene(out: str | Path, estimation: RoadEstimation, frames: Sequence[Mapping]) -> None:
    roads, report = estimate_scene(frames, estimation)
    for frame, (road2ego, heights) in zip(frames, roads, strict=True):
        write_road(out, frame['token'], road2ego, heights)
    write_text(_report_path(out, frames), json.dumps(report, indent=1))


def _report_path(out: str | Path, scene: Sequence[Mapping]) -> Path:
    return Path(out) / REPORTS / f'{scene[0]["scene_token"]}.json'


def _is_done(out: str | Path, scene: Sequence[Mapping]) -> bool:
    return _report_path(out, scene).is_file() and all(road_path(out, f['token']).is_file() for f in scene)
