"""From a nuScenes-format root to info files and BEV labels."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nuscenes.utils.splits import create_splits_scenes
from tqdm import tqdm

from ssl_bev.geometry import BEVGrid

from .bev_label_files import MANIFEST, write_label, write_label_manifest
from .calibration import check_bev_frame, frame_poses
from .frame_records import BOX_CLASSES, FrameRecords
from .map_geometry import BASE_CLASSES, ClassSpec, MapGeometry
from .nuscenes_tables import NuScenesTables
from .rasterize import MapRasterizer

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
    show_progress: bool = True,
) -> dict[str, int]:
    """Write `ssl_bev_infos_{train,val}.pkl` (or test) and `bev_labels/` below `out`.

    Everything is first written into a hidden folder of `out` and moved at the end, so that a failed run leaves what
    was there before.

    Args:
        root: nuScenes-format dataset.
        version: its tables, such as v1.0-mini; splits follow the devkit's official lists for it.
        out: where to write; may be `root`.
        grid: cells of the BEV labels.
        classes: what the labels hold.
        line_width: of line classes, metres.
        bev_frame: 'ego' or 'lidar', the frame that the labels are in.
        max_sweeps: unlabelled camera frames kept per keyframe; 0: none.
        labels_only: write no info files; then `root` needs no images.
        show_progress: show a progress bar.

    Returns:
        Keyframes written per split.

    Raises:
        FileNotFoundError: no root, tables, map, or not a single complete scene.
        ValueError: an argument out of range, or tables that contradict themselves.
    """
    check_bev_frame(bev_frame)
    tables = NuScenesTables(root, version, with_boxes=not labels_only)
    splits = _split_scenes(tables)
    records = FrameRecords(tables, 0 if labels_only else max_sweeps)
    files = _FileIndex(tables.root)
    out = Path(out)
    _check_replaceable(out / LABEL_DIR)
    work = out / f'.create_data-{os.getpid()}'
    out_is_new = not out.exists()
    work.mkdir(parents=True)
    rasterizers: dict[str, MapRasterizer] = {}
    try:
        write_label_manifest(work / LABEL_DIR, [c.name for c in classes], grid, line_width, bev_frame, version)
        counts = {}
        for split, scenes in splits.items():
            frames: list[dict] = []
            for scene in tqdm(scenes, f'{version} {split}', unit='scene', disable=not show_progress):
                scene_frames = _scene_frames(tables, records, scene, None if labels_only else files)
                location = tables.location(scene)
                if location not in rasterizers and scene_frames:
                    geometry = MapGeometry.read(tables.root / 'maps' / 'expansion' / f'{location}.json')
                    rasterizers[location] = MapRasterizer(geometry, grid, classes, line_width)
                for frame in scene_frames:
                    masks = rasterizers[location](*frame_poses(frame, bev_frame))
                    write_label(work / LABEL_DIR, frame['token'], masks)
                frames.extend(scene_frames)
            counts[split] = len(frames)
            if not labels_only:
                _write_infos(work / f'ssl_bev_infos_{split}.pkl', frames, version)
        files.report()
        if not any(counts.values()):
            raise FileNotFoundError(f'--root: {tables.root} has no scene of {version} whose images are all there')
        _move(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if out_is_new and not any(out.iterdir()):
            out.rmdir()
    return counts


def _split_scenes(tables: NuScenesTables) -> dict[str, list[dict]]:
    """The scenes of each split, under the name that its files get."""
    if 'mini' in tables.version:
        official = {'train': 'mini_train', 'val': 'mini_val'}
    elif 'test' in tables.version:
        official = {'test': 'test'}
    else:
        official = {'train': 'train', 'val': 'val'}
    names = create_splits_scenes()
    splits = {
        split: [scene for scene in tables.scenes if scene['name'] in set(names[key])] for split, key in official.items()
    }
    if not any(splits.values()):
        raise ValueError(
            f'--version: no scene of {tables.root / tables.version} is in the official splits '
            f'{list(official.values())}; scenes there: {[scene["name"] for scene in tables.scenes[:5]]}'
        )
    return splits


def _scene_frames(tables: NuScenesTables, records: FrameRecords, scene: dict, files: _FileIndex | None) -> list[dict]:
    """The keyframes of a scene with their sweeps; none if an image of a keyframe is missing."""
    frames = []
    for index, sample in enumerate(tables.samples(scene)):
        frame = records.keyframe(scene, sample, index)
        if files is not None:
            if not files.has_images(frame):
                files.incomplete_scenes.append(scene['name'])
                return []
            frame['sweeps'] = [sweep for sweep in records.sweeps(frame) if files.has_images(sweep)]
        frames.append(frame)
    return frames


class _FileIndex:
    """Which files exist, by one listing of each folder; remembers what was missing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incomplete_scenes: list[str] = []
        self._names: dict[str, set[str]] = {}
        self._missing: Counter[str] = Counter()
        self._example = ''

    def has_images(self, frame: dict) -> bool:
        missing = [camera['img_path'] for camera in frame['images'].values() if not self._exists(camera['img_path'])]
        self._missing['keyframe images' if frame['is_keyframe'] else 'sweep images'] += len(missing)
        self._example = self._example or (missing[0] if missing else '')
        return not missing

    def report(self) -> None:
        for kind, count in self._missing.items():
            if count:
                logger.warning('%d %s are missing below %s, such as %s', count, kind, self.root, self._example)
        if self.incomplete_scenes:
            names = ', '.join(self.incomplete_scenes[:10])
            logger.warning('%d scenes left out, as images are missing: %s', len(self.incomplete_scenes), names)

    def _exists(self, path: str) -> bool:
        folder, name = os.path.split(path)
        if folder not in self._names:
            full = self.root / folder
            self._names[folder] = set(os.listdir(full)) if full.is_dir() else set()
        return name in self._names[folder]


def _write_infos(path: Path, frames: list[dict], version: str) -> None:
    for index, frame in enumerate(frames):
        frame['sample_idx'] = index
    metainfo = {
        'categories': {name: i for i, name in enumerate(BOX_CLASSES)},
        'dataset': 'nuscenes',
        'version': version,
        'info_version': '1.1',
        'ssl_bev_schema': 1,
    }
    path.write_bytes(pickle.dumps({'metainfo': metainfo, 'data_list': frames}, protocol=4))


def _check_replaceable(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise ValueError(f'--out: {folder} exists and holds something else than BEV labels; choose another folder')


def _move(work: Path, out: Path) -> None:
    target = out / LABEL_DIR
    old = work / 'replaced'
    if target.exists():
        os.replace(target, old)
    os.replace(work / LABEL_DIR, target)
    for path in work.glob('*.pkl'):
        os.replace(path, out / path.name)
