"""Check that images exist and match the info files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from ssl_bev.files import read_picture
from ssl_bev.files.lens import file_size
from ssl_bev.files.pictures import picture_size

from .drives import all_frames
from .report import Report
from .settings import Settings


def check_images(root: Path, scenes: Sequence[Sequence[Mapping]], settings: Settings, report: Report) -> None:
    """Check the images of all scenes.

    Args:
        root: folder that image paths are relative to.
        scenes: keyframes of each scene.
        settings: of the checks.
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
    """Faults of the images of a frame.

    Args:
        root: folder that image paths are relative to.
        frame: of an info file.
        decode: True: decode each image; False: read only its header, which contains its size.
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
