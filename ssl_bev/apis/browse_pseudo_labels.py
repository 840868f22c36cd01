"""Pictures of a pseudo-label folder, with the labels on the ground beside the BEV labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ssl_bev.datasets.bev_label_files import label_path, read_label, read_label_manifest
from ssl_bev.datasets.road_files import add_roads
from ssl_bev.datasets.transforms.load_images import read_image
from ssl_bev.files import write_png
from ssl_bev.preparation.accumulate_dataset import Accumulation
from ssl_bev.preparation.accumulate_scene import accumulate_scene, crop_frame
from ssl_bev.pseudo_labels.label_map import LabelMap
from ssl_bev.pseudo_labels.source_image import source_image
from ssl_bev.pseudo_labels.target_reader import TargetReader
from ssl_bev.targets import IGNORE
from ssl_bev.visualization import camera_places, draw_bev
from ssl_bev.visualization.label_sheet import BEVPicture, CameraLabels, draw_histogram, draw_label_sheet

PIXELS_PER_METRE = 12


def browse_pseudo_labels(
    info_files: Sequence[str | Path],
    data_root: str | Path,
    out: str | Path,
    accumulation: Accumulation,
    label_dir: str | Path | None = None,
    limit: int = 8,
    show_progress: bool = True,
) -> dict[str, float]:
    """Write `{frame token}.png` for some frames, evenly spread, and `histogram.png` of all their images.

    Args:
        info_files: of tools/create_data.py.
        data_root: folder of the images.
        out: folder for the pictures.
        accumulation: the labels, and their projection onto the ground.
        label_dir: BEV labels to draw beside them; they define grid and BEV frame. None: without.
        limit: number of frames.
        show_progress: whether to draw a progress bar.

    Returns:
        Fraction of pixels of each teacher class that occurs, the most frequent first.

    Raises:
        FileNotFoundError: a missing info file, image or label.
        ValueError: a broken file, or an argument out of range.
    """
    if limit < 1:
        raise ValueError(f'limit must be at least 1, got {limit}')
    if label_dir is not None:
        manifest = read_label_manifest(label_dir)
        accumulation = replace(accumulation, grid=manifest['grid'], bev_frame=manifest['bev_frame'])
    scenes, labels = accumulation.open(info_files)
    class_names = labels.reader.class_names or LabelMap.load(accumulation.labels['label_map']).class_names
    tokens = [frame['token'] for scene in scenes for frame in scene]
    chosen = {tokens[i] for i in np.linspace(0, len(tokens) - 1, min(limit, len(tokens))).round().astype(int)}
    counts = np.zeros(256, np.int64)
    for scene in tqdm(scenes, 'drawing', unit='scene', disable=not show_progress):
        scene = add_roads(scene, accumulation.roads)
        wanted = [frame for frame in scene if frame['token'] in chosen]
        single = accumulation.single_frames
        raster = accumulate_scene(scene, labels, **accumulation.raster) if wanted and not single else None
        for frame in wanted:
            if single:
                raster = accumulate_scene([frame], labels, **accumulation.raster)
            cameras = list(_cameras(frame, labels, Path(data_root)))
            counts += sum(np.bincount(camera.ids.ravel(), minlength=256) for camera in cameras)
            probability, weight = crop_frame(raster, frame, accumulation.grid, accumulation.bev_frame)
            observed = (weight > 0.05 * accumulation.full_weight).any(0)
            caption = 'labels of this frame' if single else 'accumulated labels'
            bevs = [_bev(caption, probability, labels.classes, accumulation, observed)]
            truth_classes = []
            if label_dir is not None and label_path(label_dir, frame['token']).is_file():
                truth_classes = manifest['classes']
                truth = read_label(label_dir, frame['token'], manifest)
                known = (truth != IGNORE).any(0)
                bevs.append(_bev('BEV labels', truth == 1, truth_classes, accumulation, known))
            title = f'{frame.get("scene_name", "")}  {frame["token"]}'
            sheet = draw_label_sheet(cameras, class_names, labels.classes, bevs, truth_classes, title)
            write_png(Path(out) / f'{frame["token"]}.png', sheet)
    names = [*class_names, *['no class'] * (256 - len(class_names))]
    write_png(Path(out) / 'histogram.png', draw_histogram(counts, class_names, rows=int((counts > 0).sum())))
    return {names[i]: counts[i] / counts.sum() for i in np.argsort(-counts, kind='stable') if counts[i]}


def _cameras(frame: Mapping, labels: TargetReader, data_root: Path) -> Iterator[CameraLabels]:
    names = list(frame['images'])
    for name in (names[i] for i in camera_places(names)[0]):
        path = data_root / frame['images'][name]['img_path']
        image = read_image(path, frame, name)
        source = source_image(frame, name, file=path)
        raw, confidence = labels.reader.read(name, path.stem, frame['token'], source)
        if source.lens is not None:
            raw = source.lens.undistort_labels(raw, IGNORE)
            confidence = None if confidence is None else source.lens.undistort_labels(confidence, 0)
        targets = labels.targets(*labels.read(name, path.stem, frame['token'], image.shape[:2], source))
        yield CameraLabels(name, image, raw, np.full_like(raw, 255) if confidence is None else confidence, targets)


def _bev(
    caption: str,
    cells: np.ndarray,
    classes: Sequence[str],
    accumulation: Accumulation,
    observed: np.ndarray | None = None,
) -> BEVPicture:
    arguments = dict(bev_frame=accumulation.bev_frame, observed=observed)
    scale = PIXELS_PER_METRE * accumulation.grid.cell_size
    return BEVPicture(caption, draw_bev(cells, classes, accumulation.grid, pixels_per_cell=scale, **arguments))
