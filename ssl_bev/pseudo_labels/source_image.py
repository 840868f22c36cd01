"""Which image a label belongs to. Camera and file name are not enough: scenes in separate folders may share them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ssl_bev.files.lens import Lens
from ssl_bev.files.png_text import read_text

KEYWORD = 'ssl_bev image'


class SourceImage(NamedTuple):
    """An image as an info file names it.

    Attributes:
        path: relative to the data root.
        tokens: of its frame and of the image itself.
        file: where it lies; None: unknown.
        is_shared: True where another image of the data set has its camera and file name.
        lens: how it distorts; None: not at all.
    """

    path: str
    tokens: tuple[str, ...]
    file: Path | None = None
    is_shared: bool = False
    lens: Lens | None = None


class ImageRecord(NamedTuple):
    """What a label file says about its image.

    Attributes:
        path: relative to the data root.
        tokens: of its frame and of the image itself.
        checksum: CRC-32 of the image file.
    """

    path: str
    tokens: tuple[str, ...]
    checksum: int

    @classmethod
    def of(cls, image: SourceImage) -> ImageRecord:
        """The record of an image whose file is there."""
        return cls(image.path, image.tokens, zlib.crc32(image.file.read_bytes()))

    def text(self) -> str:
        """For the label file."""
        return json.dumps(self._asdict())

    def has_path(self, path: str) -> bool:
        """True where the paths are the same, perhaps from data roots at different heights of one tree."""
        ours, theirs = PurePosixPath(self.path).parts, PurePosixPath(path).parts
        common = min(len(ours), len(theirs))
        return ours[-common:] == theirs[-common:]

    def is_of(self, image: SourceImage) -> bool:
        """True where the label is that of the image: by path and token, or else by what the file holds."""
        if self.has_path(image.path) and set(self.tokens) & set(image.tokens):
            return True
        there = image.file is not None and image.file.is_file()
        return there and zlib.crc32(image.file.read_bytes()) == self.checksum


def source_image(
    frame: Mapping, camera: str, folder: str = '', file: str | Path | None = None, is_shared: bool = False
) -> SourceImage:
    """A camera's image of a frame of an info file.

    Args:
        frame: of an info file.
        camera: its name.
        folder: between data root and image path.
        file: where the image lies, if it is known.
        is_shared: see `SourceImage`.
    """
    entry = frame['images'][camera]
    tokens = tuple(dict.fromkeys(t for t in (entry.get('sample_data_token'), frame.get('token')) if t))
    path = PurePosixPath(folder, Path(entry['img_path']).as_posix()).as_posix()
    return SourceImage(path, tokens, Path(file) if file else None, is_shared, Lens.of(entry))


def read_record(label_file: Path) -> ImageRecord | None:
    """What a label file says of its image; None: nothing, as files of earlier versions and of other programs.

    Raises:
        ValueError: a record that is broken.
    """
    text = read_text(label_file, KEYWORD)
    if text is None:
        return None
    try:
        content = json.loads(text)
        return ImageRecord(content['path'], tuple(content['tokens']), content['checksum'])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'pseudo-label {label_file} has a broken record of its image: {error!r}') from error


def unique_stem(stem: str, path: str) -> str:
    """The name of the label of an image whose camera and file name another image has too."""
    return f'{stem}~{zlib.crc32(path.encode()):08x}'
