"""From a nuScenes-format root to info files and BEV labels."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from ssl_bev.datasets.bev_label_files import MANIFEST, label_path, write_label, write_label_manifest
from ssl_bev.datasets.calibration import check_bev_frame, frame_poses, frame_road
from ssl_bev.files import write_bytes
from ssl_bev.files.info_frames import read_info_content
from ssl_bev.geometry import BEVGrid

from .box_records import BOX_CLASSES
from .frame_records import FrameRecords
from .image_index import ImageIndex
from .map_geometry import BASE_CLASSES, ClassSpec, MapGeometry
from .nuscenes_tables import NuScenesTables
from .rasterize import MapRasterizer
from .scene_splits import split_scenes
from .staging import staging_folder
from .timestamps import time_faults

LABEL_DIR = 'bev_labels'
DEFAULT_GRID = BEVGrid((-30.0, 30.0), (-15.0, 15.0), 0.25)
logger = logging.getLogger(__name__)


def create_data(
    root: str | Path,
    version: str,
    out: str | Path,
    grid: BEVGrid = DEFAULT_GRID,
    classes: Sequence[ClassSpec] = BASE_CLASSES,
    line_width: float = 0.5,
    bev_frame: str = 'ego',
    max_sweeps: int = 5,
    labels_only: bool = False,
    infos_only: bool = False,
    exclude_scenes: Sequence[str] = (),
    label_dir: str = LABEL_DIR,
    show_progress: bool = True,
) -> dict[str, int]:
    """Write `ssl_bev_infos_{train,val}.pkl` (or test) and the folder `label_dir` below `out`.

    Everything is first written into a hidden folder of `out` and moved at the end, so a failed run does not change
    existing files. After an interrupt, the same call continues with the missing labels.

    Args:
        root: nuScenes-format dataset.
        version: its tables, such as v1.0-mini; splits follow the devkit's official lists for it, or splits.json there.
        out: where to write; may be `root`.
        grid: cells of the BEV labels.
        classes: of the labels.
        line_width: of line classes that do not set their own, metres.
        bev_frame: 'ego' or 'lidar', the frame that the labels are in.
        max_sweeps: unlabelled camera frames kept per keyframe; 0: none.
        labels_only: write no info files; then `root` needs no images.
        infos_only: draw no BEV labels; then `root` needs no maps. This is enough for pretraining on images.
        exclude_scenes: names or tokens of scenes to leave out.
        label_dir: name of the folder of the BEV labels; each protocol needs its own.
        show_progress: show a progress bar.

    Returns:
        Keyframes written per split.

    Raises:
        FileNotFoundError: no root, tables, map, or complete scene.
        ValueError: an argument out of range, tables that contradict themselves, or another run at the same time.
    """
    check_bev_frame(bev_frame)
    if labels_only and infos_only:
        raise ValueError('labels_only and infos_only exclude each other: nothing would be written')
    out = Path(out)
    check_label_dir(out, label_dir)
    max_sweeps = 0 if labels_only else max_sweeps
    tables = NuScenesTables(root, version, with_boxes=not labels_only, with_sweeps=max_sweeps > 0)
    splits = split_scenes(tables, exclude_scenes)
    map_files = {} if infos_only else _map_files(tables, splits)
    records = FrameRecords(tables, max_sweeps, with_images=not labels_only)
    images = None if labels_only else ImageIndex(tables.root)
    inputs = {
        'grid': repr(grid),
        'classes': [repr(spec) for spec in classes],
        'line_width': line_width,
        'bev_frame': bev_frame,
        'exclude_scenes': sorted(exclude_scenes),
        'infos_only': infos_only,
        'files': file_states([*(tables.root / version).glob('*.json'), *map_files.values()]),
    }
    with staging_folder(out, '.create_data', inputs) as work:
        labels = work / label_dir
        widths = {spec.name: spec.line_width or line_width for spec in classes if spec.kind != 'area'}
        if not infos_only:
            write_label_manifest(labels, [c.name for c in classes], grid, line_width, bev_frame, version, widths)
        rasterizers = {
            location: MapRasterizer(MapGeometry.read(path), grid, classes, line_width)
            for location, path in map_files.items()
        }
        counts = {}
        for split, scenes in splits.items():
            frames: list[dict] = []
            for scene in tqdm(scenes, f'{version} {split}', unit='scene', disable=not show_progress):
                for frame in _scene_frames(tables, records, scene, images):
                    if not infos_only and not label_path(labels, frame['token']).is_file():
                        pose = frame_poses(frame, bev_frame)[0]
                        masks = rasterizers[frame['location']](pose, frame_road(frame, bev_frame))
                        write_label(labels, frame['token'], masks)
                    frames.append(frame)
            counts[split] = len(frames)
            if not labels_only:
                write_infos(work / f'ssl_bev_infos_{split}.pkl', frames, 'nuscenes', version)
        if images is not None:
            images.report()
        if not any(counts.values()):
            raise FileNotFoundError(f'--data-root: {tables.root} has no scene of {version} whose images are all there')
        scenes = [scene['token'] for scenes in splits.values() for scene in scenes]
        move_into_place(work, out, label_dir, () if labels_only else scenes)
    return counts


def _map_files(tables: NuScenesTables, splits: dict[str, list[dict]]) -> dict[str, Path]:
    """The map expansion of each location of the scenes."""
    scenes = [scene for scenes in splits.values() for scene in scenes]
    for scene in scenes:
        if not tables.location(scene):
            raise ValueError(
                f'{tables.root / tables.version}: table log, token {scene["log_token"]!r}, has no location, so scene '
                f'{scene["name"]} has no map; name one, or draw no BEV labels: --infos-only'
            )
    locations = sorted({tables.location(scene) for scene in scenes})
    files = {location: tables.root / 'maps' / 'expansion' / f'{location}.json' for location in locations}
    missing = [str(path) for path in files.values() if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f'map expansion not found: {", ".join(missing)}; unpack the nuScenes map expansion (version 1.3) into '
            f'{tables.root / "maps"}, or draw no BEV labels: --infos-only'
        )
    return files


def file_states(paths: Iterable[Path]) -> list[list]:
    """Name, size and modification time of files, which must not change before an interrupted run continues."""
    return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in sorted(paths)]


def _scene_frames(tables: NuScenesTables, records: FrameRecords, scene: dict, images: ImageIndex | None) -> list[dict]:
    """The keyframes of a scene with their sweeps; none if an image of a keyframe is missing."""
    frames = []
    for index, sample in enumerate(tables.samples(scene)):
        frame = records.keyframe(scene, sample, index)
        if images is not None:
            if not images.has_images(frame):
                images.incomplete_scenes.append(scene['name'])
                return []
            frame['sweeps'] = [sweep for sweep in records.sweeps(frame) if images.has_images(sweep)]
        frames.append(frame)
    if faults := time_faults(frame['timestamp'] for frame in frames):
        logger.warning(
            'scene %s: time stands still or runs backwards at %d of %d keyframes (table sample); they get no history',
            scene['name'],
            faults,
            len(frames),
        )
    return frames


def write_infos(path: Path, frames: list[dict], dataset: str, version: str) -> None:
    """Write an info file of the numbered frames of a dataset."""
    for index, frame in enumerate(frames):
        frame['sample_idx'] = index
    metainfo = {
        'categories': {name: i for i, name in enumerate(BOX_CLASSES)},
        'dataset': dataset,
        'version': version,
        'info_version': '1.1',
        'ssl_bev_schema': 1,
    }
    write_bytes(path, pickle.dumps({'metainfo': metainfo, 'data_list': frames}, protocol=4))


def check_label_dir(out: Path, label_dir: str) -> None:
    """Check that BEV labels may be written to a folder of `out`.

    Raises:
        ValueError: no valid folder name, or a folder with other content.
    """
    if Path(label_dir).name != label_dir or label_dir.startswith('.'):
        raise ValueError(f'label_dir must be the name of a folder below --out, got {label_dir!r}')
    folder = out / label_dir
    if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise ValueError(f'--out: {folder} exists and holds something else than BEV labels; choose another folder')


def move_into_place(work: Path, out: Path, label_dir: str, scenes: Collection[str] = ()) -> None:
    """Replace info files and BEV labels of `out` by those of `work`.

    Raises:
        ValueError: another info file of `out` is broken, or holds one of the scenes, given by token: it would be in two
            splits.
    """
    others = [path for path in out.glob('ssl_bev_infos_*.pkl') if not (work / path.name).exists()]
    stale = [path.name for path in sorted(others) if scenes and _holds_any(path, scenes)]
    if stale:
        raise ValueError(
            f'--out: {out} has {", ".join(stale)} of an earlier run, whose scenes are in other splits now; delete it '
            'and run the same command again'
        )
    target = out / label_dir
    old = work / 'replaced'
    if (work / label_dir).exists():
        if target.exists():
            os.replace(target, old)
        os.replace(work / label_dir, target)
    for path in work.glob('*.pkl'):
        os.replace(path, out / path.name)


def _holds_any(path: Path, scenes: Collection[str]) -> bool:
    frames = read_info_content(path, '--out: info file', 'delete it, or choose another folder')['data_list']
    return any(frame.get('scene_token') in scenes for frame in frames)
