"""Are the images there, and do they hold what the info files say?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from ssl_bev.files import read_picture
from ssl_bev.files.lens import file_size
from ssl_bev.files.pictures import picture_size

from .report import Report
from .sequences import all_frames
from .settings import Settings


def check_images(root: Path, scenes: Sequence[Sequence[Mapping]], settings: Settings, report: Report) -> None:
    """Check the images of all scenes.

    Args:
        root: what image paths start from.
        scenes: keyframes of each scene.
        settings: how.
        report: gets the counts and errors.
    """
    with ThreadPoolExecutor(settings.num_workers) as pool:
        for scene in tqdm(scenes, 'images', unit='scene', disable=not settings.show_progress):
            frames = all_frames(scene, settings.with_sweeps)
            decode = [settings.full or frame is scene[0] for frame in frames]
            faults = pool.map(lambda frame, whole: list(image_faults(root, frame, whole)), frames, decode)
            for fault in chain.from_iterable(faults):
                report.error('images', fault)
            report.count('images', sum(len(frame['images']) for frame in frames))


def image_faults(root: Path, frame: Mapping, decode: bool) -> Iterator[str]:
    """What is wrong with the images of a frame.

    Args:
        root: what image paths start from.
        frame: of an info file.
        decode: True: read each image whole; False: its header only, which says its size.
    """
    for name, camera in frame['images'].items():
        path = root / camera['img_path']
        try:
            size = read_picture(path).shape[:2] if decode else picture_size(path)
        except (OSError, ValueError) as error:
            yield f'{name} of frame {frame["token"]}: {error}'
            continue
        if (expected := file_size(camera) or size) != size:
            yield f'{path} (frame {frame["token"]}) is {size} (height, width), the info file says {expected}'
