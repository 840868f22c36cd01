"""From drives files to info files and BEV labels, like `create_data` for nuScenes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from ssl_bev.datasets.bev_label_files import label_path, write_label, write_label_manifest
from ssl_bev.datasets.calibration import check_bev_frame, frame_poses
from ssl_bev.geometry import BEVGrid

from ..create_infos import DEFAULT_GRID, LABEL_DIR, check_label_dir, file_states, move_into_place, write_infos
from ..image_index import ImageIndex
from ..staging import staging_folder
from .drive_records import scene_records
from .drives import Scene
from .read_drives import read_drives
from .scene_labels import SceneLabels

logger = logging.getLogger(__name__)


def create_own_data(
    root: str | Path,
    drives: Sequence[str | Path],
    out: str | Path,
    grid: BEVGrid = DEFAULT_GRID,
    bev_frame: str = 'ego',
    every: int = 1,
    min_distance: float = 0.0,
    max_sweeps: int = 5,
    labels_only: bool = False,
    infos_only: bool = False,
    exclude_scenes: Sequence[str] = (),
    label_dir: str = LABEL_DIR,
    show_progress: bool = True,
) -> dict[str, int]:
    """Write `ssl_bev_infos_{split}.pkl` for each split and `label_dir` below `out`, completely or not at all.

    A split without keyframes gets no file. Info files of other splits in `out` that hold a scene of this run are
    removed.

    Args:
        root: folder that image and lidar paths are relative to.
        drives: files, see docs/own_data.md.
        out: where to write.
        grid: cells of the BEV labels.
        bev_frame: 'ego' or 'lidar', the frame that the labels are in.
        every, min_distance, max_sweeps: see `scene_records`.
        labels_only: write no info files; then `root` needs no images.
        infos_only: write no BEV labels.
        exclude_scenes: names of scenes to leave out.
        label_dir: name of the folder of the BEV labels.
        show_progress: show a progress bar.

    Returns:
        Keyframes written per split.

    Raises:
        FileNotFoundError: no root, a missing drives file, raster, image or lidar file.
        ValueError: an argument out of range, a file that breaks a rule, scenes whose rasters have other classes, no
            raster with `labels_only`, or another run at the same time.
    """
    check_bev_frame(bev_frame)
    if labels_only and infos_only:
        raise ValueError('labels_only and infos_only exclude each other: nothing would be written')
    root, out = Path(root), Path(out)
    if not root.is_dir() and not labels_only:
        raise FileNotFoundError(f'--data-root: no folder {root}')
    for name, value, lowest in (('every', every, 1), ('min-distance', min_distance, 0), ('max-sweeps', max_sweeps, 0)):
        if not value >= lowest:  # also of NaN
            raise ValueError(f'--{name} must be at least {lowest}, got {value}')
    check_label_dir(out, label_dir)
    scenes = _without(read_drives(drives), exclude_scenes)
    if not labels_only:
        _check_files(root, scenes)
    labels = SceneLabels([] if infos_only else scenes)
    if labels_only and not labels.files:
        raise ValueError('labels_only: no scene or frame of --drives has a label_raster, so nothing would be written')
    inputs = {
        'grid': repr(grid),
        'bev_frame': bev_frame,
        'keyframes': [every, min_distance, max_sweeps],
        'exclude_scenes': sorted(exclude_scenes),
        'infos_only': infos_only,
        'files': file_states([*map(Path, drives), *labels.files]),
    }
    dataset = '+'.join(dict.fromkeys(scene.dataset for scene in scenes))
    with staging_folder(out, '.create_data', inputs) as work:
        folder = work / label_dir
        if labels.files:
            write_label_manifest(folder, labels.classes, grid, None, bev_frame, dataset, has_unknown=True)
        splits: dict[str, list[dict]] = {scene.split: [] for scene in scenes}
        for scene in tqdm(scenes, dataset, unit='scene', disable=not show_progress):
            frames = scene_records(scene, every, min_distance, max_sweeps)
            for frame in frames if labels.files else ():
                if not label_path(folder, frame['token']).is_file():
                    cut = labels.cut(scene, frame, grid, *frame_poses(frame, bev_frame))
                    write_label(folder, frame['token'], cut)
            splits[scene.split] += frames
        if not any(splits.values()):
            raise ValueError(f'--drives: {", ".join(map(str, drives))} have no keyframe')
        for split, frames in splits.items() if not labels_only else ():
            if not frames:
                logger.warning('split %s has no keyframe, so no info file', split)
                continue
            write_infos(work / f'ssl_bev_infos_{split}.pkl', frames, dataset, dataset)
        move_into_place(work, out, label_dir, () if labels_only else [scene.name for scene in scenes])
    return {split: len(frames) for split, frames in splits.items()}


def _without(scenes: list[Scene], exclude: Sequence[str]) -> list[Scene]:
    if unknown := sorted(set(exclude) - {scene.name for scene in scenes}):
        raise ValueError(f'--exclude-scenes: no scene is called {", ".join(unknown)}')
    left = [scene for scene in scenes if scene.name not in exclude]
    if not any(scene.frames for scene in left):
        raise ValueError('--exclude-scenes: no frame is left')
    return left


def _check_files(root: Path, scenes: Sequence[Scene]) -> None:
    index = ImageIndex(root)
    frames = [frame for scene in scenes for frame in scene.frames]
    files = {
        'image': [(image.path, frame) for frame in frames for image in frame.images.values()],
        'lidar file': [(frame.lidar, frame) for frame in frames if frame.lidar],
    }
    for kind, paths in files.items():
        if missing := [(path, frame) for path, frame in paths if not index.exists(path)]:
            path, frame = missing[0]
            raise FileNotFoundError(
                f'{frame.where}: {kind} not found: {root / path} ({len(missing)} are missing); mend the path or '
                f'--data-root, or take the {kind} out of the frame'
            )
