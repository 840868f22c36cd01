"""Check that lidar files exist and hold points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ssl_bev.datasets.lidar_files import NUM_FEATURES, read_lidar

from .report import Report
from .settings import Settings


def check_lidar(root: Path, scenes: Sequence[Sequence[Mapping]], settings: Settings, report: Report) -> None:
    """Check the lidar files of all keyframes. If none is there, 0 are counted: training on images needs no lidar.

    Args:
        root: folder that lidar paths are relative to.
        scenes: keyframes of each scene.
        settings: of the checks.
        report: gets the counts, errors and warnings.
    """
    scenes = [[frame for frame in scene if _lidar_path(frame)] for scene in scenes]
    if not any((root / _lidar_path(frame)).is_file() for scene in scenes for frame in scene):
        report.count('lidar', 0)
        return
    for scene in tqdm(scenes, 'lidar', unit='scene', disable=not settings.show_progress):
        report.count('lidar', len(scene))
        for frame in scene:
            if fault := lidar_fault(root, frame, settings.full or frame is scene[0]):
                report.error('lidar', fault)


def lidar_fault(root: Path, frame: Mapping, read: bool) -> str:
    """The fault of the lidar file of a frame; '' if there is none.

    Args:
        root: folder that lidar paths are relative to.
        frame: of an info file.
        read: True: read the points; False: look only whether the file exists.
    """
    path = root / _lidar_path(frame)
    context = f'frame {frame["token"]}'
    if not read:
        return '' if path.is_file() else f'{context}: lidar file not found: {path}'
    try:
        points = read_lidar(path, frame['lidar_points'].get('num_pts_feats') or NUM_FEATURES)
    except (OSError, TypeError, ValueError) as error:
        return f'{context}: {error}'
    if broken := int((~np.isfinite(points)).any(1).sum()):
        return f'{context}: {broken} of {len(points)} points of {path} are not finite'
    return '' if len(points) else f'{context}: {path} holds no point'


def _lidar_path(frame: Mapping) -> str:
    lidar = frame.get('lidar_points')
    path = lidar.get('lidar_path') if isinstance(lidar, Mapping) else None
    return path if isinstance(path, str) else ''
