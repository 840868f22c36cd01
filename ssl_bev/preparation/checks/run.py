"""Check a prepared dataset: info files, images, lidar, calibration, maps, BEV labels, pseudo-labels."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ssl_bev.datasets.info_files import read_info_file

from .bev_labels import check_bev_labels
from .drives import check_drives
from .images import check_images
from .lidar import check_lidar
from .maps import check_maps
from .pictures import draw_pictures
from .pseudo_labels import check_pseudo_labels
from .report import Report
from .settings import Settings


def check_data(
    root: str | Path,
    info_files: Sequence[str | Path],
    label_dirs: Sequence[str | Path] = (),
    pseudo_labels: Sequence[str | Path] = (),
    full: bool = False,
    with_sweeps: bool = False,
    num_workers: int | None = None,
    max_messages: int = 20,
    show_progress: bool = True,
    pictures: str | Path | None = None,
    num_pictures: int = 4,
    roads: str | Path | None = None,
) -> Report:
    """Check everything that training and evaluation will read; faults are in the report and raise no exception.

    Args:
        root: of the dataset; image paths and maps start there.
        info_files: of tools/create_data.py.
        label_dirs: folders of BEV labels; without any, maps may be missing.
        pseudo_labels: pseudo-label folders.
        full: read every image, lidar file and label whole. Otherwise only those of the first keyframe of
            each scene are, and the rest is opened.
        with_sweeps: also the frames between the keyframes.
        num_workers: threads; None: one per CPU.
        max_messages: kept per check.
        show_progress: draw progress bars.
        pictures: folder for pictures of some frames, see `draw_calibration_sheet`; None: draw none.
        num_pictures: number of frames to draw.
        roads: folder of tools/estimate_road.py, for the pictures.
    """
    report = Report(max_messages)
    root = Path(root)
    settings = Settings(full, with_sweeps, num_workers or len(os.sched_getaffinity(0)), show_progress)
    scenes: list[list[Mapping]] = []
    mapped: list[list[Mapping]] = []  # only nuScenes draws labels from maps
    versions: dict[str, str | None] = {}
    owners: dict[str, str | Path] = {}  # the first info file of each token
    for path in info_files:
        try:
            content = read_info_file(path, ['tools/check_data.py'])
        except (OSError, ValueError) as error:
            report.error('info files', str(error))
            continue
        versions[str(path)] = content['metainfo'].get('version')
        found = list(_scenes(content['data_list'], path, report))
        _check_owners(owners, content['data_list'], path, report)
        scenes += found
        mapped += found if content['metainfo'].get('dataset', 'nuscenes') == 'nuscenes' else []
    check_drives(scenes, settings, report)
    check_maps(root, mapped, report, are_needed=bool(label_dirs))
    check_images(root, scenes, settings, report)
    check_lidar(root, scenes, settings, report)
    for folder in label_dirs:
        check_bev_labels(Path(folder), scenes, versions, settings, report)
    for folder in pseudo_labels if versions else ():
        check_pseudo_labels(Path(folder), root, list(versions), settings, report)
    if pictures is not None:
        draw_pictures(root, scenes, Path(pictures), num_pictures, Path(roads) if roads else None, settings, report)
    return report


def _check_owners(owners: dict[str, str | Path], frames: Sequence[Mapping], path: str | Path, report: Report) -> None:
    """Frames must not be in another info file too, as training frames would be among those of the evaluation."""
    there = [frame['token'] for frame in frames if owners.setdefault(frame['token'], path) != path]
    for other, number in Counter(owners[token] for token in there).items():
        token = next(token for token in there if owners[token] == other)
        report.error('info files', f'{path}: {number} frames are in {other} too, such as {token}; give each one split')


def _scenes(frames: Sequence[Mapping], path: str | Path, report: Report) -> Iterator[list[Mapping]]:
    report.count('info files')
    if not frames:
        report.error('info files', f'{path} holds no frame')
    for token, number in Counter(frame['token'] for frame in frames).items():
        if number > 1:
            report.error('info files', f'{path}: {number} frames have the token {token}')
    by_scene: dict[str, list[Mapping]] = {}
    for frame in frames:
        by_scene.setdefault(frame['scene_token'], []).append(frame)
    for scene in by_scene.values():
        yield sorted(scene, key=lambda frame: frame['frame_index'])
