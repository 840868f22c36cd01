"""The image that a label belongs to. Camera and file name are not enough: scenes in other folders may share them."""

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
    """An image in an info file.

    Attributes:
        path: relative to the data root.
        tokens: of its frame and of the image itself.
        file: its path; None: unknown.
        is_shared: True if another image of the dataset has its camera and file name.
        lens: its distortion; None: none.
    """

    path: str
    tokens: tuple[str, ...]
    file: Path | None = None
    is_shared: bool = False
    lens: Lens | None = None


class ImageRecord(NamedTuple):
    """The record of its image in a label file.

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
        """The record of an image whose file exists."""
        return cls(image.path, image.tokens, zlib.crc32(image.file.read_bytes()))

    def text(self) -> str:
        """For the label file."""
        return json.dumps(self._asdict())

    def has_path(self, path: str) -> bool:
        """True if the paths are the same, also relative to data roots at different levels of one tree."""
        ours, theirs = PurePosixPath(self.path).parts, PurePosixPath(path).parts
        common = min(len(ours), len(theirs))
        return ours[-common:] == theirs[-common:]

    def is_of(self, image: SourceImage) -> bool:
        """True if the label belongs to the image: by path and token, or else by the content of the file.

        If the file is unknown, an equal path is enough: tokens change when info files are made anew.
        """
        if self.has_path(image.path) and self.has_token(image):
            return True
        if image.file is None:
            return self.path == image.path
        return image.file.is_file() and zlib.crc32(image.file.read_bytes()) == self.checksum

    def has_token(self, image: SourceImage) -> bool:
        """True if the label was made for the frame of the image, or for the image itself."""
        return not set(self.tokens).isdisjoint(image.tokens)


def source_image(
    frame: Mapping, camera: str, folder: str = '', file: str | Path | None = None, is_shared: bool = False
) -> SourceImage:
    """The image of a camera of a frame of an info file.

    Args:
        frame: of an info file.
        camera: its name.
        folder: between data root and image path.
        file: path of the image, if it is known.
        is_shared: see `SourceImage`.
    """
    entry = frame['images'][camera]
    tokens = tuple(dict.fromkeys(t for t in (entry.get('sample_data_token'), frame.get('token')) if t))
    path = PurePosixPath(folder, Path(entry['img_path']).as_posix()).as_posix()
    return SourceImage(path, tokens, Path(file) if file else None, is_shared, Lens.of(entry))


def read_record(label_file: Path) -> ImageRecord | None:
    """The record of its image in a label file; None: missing, as in files of earlier versions and other programs.

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
    """The name of the label of an image that shares camera and file name with another one."""
    return f'{stem}~{zlib.crc32(path.encode()):08x}'
