"""Pictures that show whether calibration, road and images match, for a person to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ssl_bev.datasets.calibration import frame_cameras, frame_road
from ssl_bev.datasets.road_files import RoadReader
from ssl_bev.datasets.transforms.load_images import read_image
from ssl_bev.files import write_png
from ssl_bev.visualization.calibration_sheet import draw_calibration_sheet

from .report import Report
from .settings import Settings


def draw_pictures(
    root: Path,
    scenes: Sequence[Sequence[Mapping]],
    out: Path,
    count: int,
    roads: Path | None,
    settings: Settings,
    report: Report,
) -> None:
    """Write `{frame token}.png` of some keyframes, evenly spread, see `draw_calibration_sheet`.

    Args:
        root: folder that image paths are relative to.
        scenes: keyframes of each scene.
        out: folder for the pictures.
        count: number of frames.
        roads: folder of tools/estimate_road.py; None: the road is the plane z = 0.
        settings: of the checks.
        report: gets the counts and errors; cameras whose image cannot be read are left out.

    Raises:
        ValueError: a count below 1.
    """
    if count < 1:
        raise ValueError(f'num_pictures must be at least 1, got {count}')
    try:
        with_road = RoadReader(roads) if roads else lambda frame: frame
    except (OSError, ValueError) as error:
        report.error('pictures', str(error))
        return
    frames = [frame for scene in scenes for frame in scene]
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)) if frames else []
    for position in tqdm(chosen, 'pictures', disable=not settings.show_progress):
        frame = frames[position]
        report.count('pictures')
        try:
            _draw(root, with_road(frame), out)
        except (OSError, ValueError, KeyError, np.linalg.LinAlgError, torch.linalg.LinAlgError) as error:
            report.error('pictures', f'frame {frame["token"]}: {error}')


def _draw(root: Path, frame: Mapping, out: Path) -> None:
    images = {}
    for name, camera in frame['images'].items():
        try:
            images[name] = read_image(root / camera['img_path'], frame, name)
        except (OSError, ValueError):  # the check of images reports it
            continue
    if not images:
        raise ValueError('none of its images can be read')
    cam2img, bev2cam = frame_cameras(frame, list(images), 'ego')
    title = f'{frame["scene_name"]}  {frame["token"]}'
    road = frame_road(frame, 'ego')
    sheet = draw_calibration_sheet(
        list(images.values()), list(images), torch.from_numpy(cam2img @ bev2cam), road, title
    )
    write_png(out / f'{frame["token"]}.png', sheet)
