"""The files of a pseudo-label folder: their paths, and which of them exist."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from .source_image import SourceImage, unique_stem

HOW_TO_MAKE = 'tools/generate_pseudo_labels.py'
LABEL_FILE = 'labels/{camera}/{stem}.png'
CONFIDENCE_FILE = 'confidence/{camera}/{stem}.png'
# No process takes this long for one image, so the process that began the file is dead.
_STALE_SECONDS = 600


def labelled_images(root: str | Path, *patterns: str) -> set[tuple[str, str]]:
    """(camera, stem) of the images that have a file of each pattern, by default a label and a confidence.

    Removes partial files of killed runs. An empty file, which a crash of the machine may leave, does not count.
    """
    found = [
        _list_pictures(Path(root) / pattern.split('/')[0]) for pattern in patterns or (LABEL_FILE, CONFIDENCE_FILE)
    ]
    return set.intersection(*found)


def label_stem(root: Path, camera: str, stem: str, image: SourceImage | None, pattern: str = LABEL_FILE) -> str:
    """The name of the label of an image in a folder: a unique one if the image shares its file name."""
    if image is not None and '{stem}' in pattern:
        unique = unique_stem(stem, image.path)
        if (root / pattern.format(camera=camera, stem=unique)).is_file():
            return unique
    return stem


def _list_pictures(folder: Path) -> set[tuple[str, str]]:
    found = set()
    for camera in folder.iterdir() if folder.is_dir() else ():
        with os.scandir(camera) as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)
                if suffix == '.png' and entry.stat().st_size:
                    found.add((camera.name, stem))
                elif suffix == '.tmp':
                    with suppress(FileNotFoundError):  # another process has just finished it
                        if time.time() - entry.stat().st_mtime > _STALE_SECONDS:
                            os.unlink(entry.path)
    return found
