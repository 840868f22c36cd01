"""Image files: reading that detects damage, and writing."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from .atomic import write_bytes
from .decoder_warnings import decode_and_listen
from .integrity import integrity_fault, is_jpeg
from .png_text import with_text

# Errors of PIL on files that are no image, or have an absurd size.
PIL_ERRORS = (OSError, SyntaxError, ValueError, OverflowError, struct.error, Image.DecompressionBombError)
_SURPLUS = re.compile(r'(\d+) extraneous bytes before marker 0xd9')


def read_picture(
    path: str | Path,
    flag: int = cv2.IMREAD_COLOR,
    context: str = '',
) -> np.ndarray:  # (H, W) or (H, W, 3)
    """Read an image in the channel order of OpenCV (BGR), without its EXIF rotation.

    Args:
        path: a JPEG or PNG file, or another format of OpenCV.
        flag: an `cv2.IMREAD_*` flag; 16 bits per channel are kept by `cv2.IMREAD_UNCHANGED`, and an error otherwise.
        context: of the image, for error messages.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a truncated or damaged file, one that is no image, or one of 16 bits. OpenCV alone fills
            missing parts with grey and truncates 16 bits, whatever range they use.
    """
    return decode_picture(read_picture_file(path, context), path, flag, context)


def read_picture_file(path: str | Path, context: str = '') -> bytes:
    """The bytes of an image file that is complete according to markers and checksums; raises as `read_picture`."""
    where = f' ({context})' if context else ''
    try:
        content = Path(path).read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise FileNotFoundError(f'picture not found: {path}{where}') from error
    if fault := integrity_fault(content):
        raise ValueError(f'picture is {fault}: {path}{where}, {len(content)} bytes; restore the file')
    return content


def decode_picture(content: bytes, path: str | Path, flag: int, context: str = '') -> np.ndarray:
    """Decode the result of `read_picture_file`; see `read_picture`."""
    where = f' ({context})' if context else ''
    keeps_all = flag == cv2.IMREAD_UNCHANGED
    flags = flag if keeps_all else flag | cv2.IMREAD_IGNORE_ORIENTATION | cv2.IMREAD_ANYDEPTH
    try:
        picture, complaints = decode_and_listen(lambda: cv2.imdecode(np.frombuffer(content, np.uint8), flags))
    except cv2.error:  # such as an absurd size
        picture = None
    if picture is None:
        raise ValueError(f'picture cannot be decoded: {path}{where}, {len(content)} bytes')
    if complaints := [line for line in complaints if not _is_padding(line, content)]:
        raise ValueError(
            f'picture is damaged: {path}{where}, {len(content)} bytes; the decoder says "{complaints[0]}", and paints '
            'something else from there on; restore the file'
        )
    if not keeps_all and picture.dtype != np.uint8:
        raise ValueError(
            f'picture must have 8 bits a channel, {path}{where} has {8 * picture.itemsize} with values up to '
            f'{picture.max()}; convert it to 8 bits with the range that your camera uses'
        )
    return picture


def picture_size(path: str | Path) -> tuple[int, int]:
    """Height and width of an image file, from its header.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no image.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'picture not found: {path}')
    try:
        with Image.open(path) as picture:
            return picture.height, picture.width
    except PIL_ERRORS as error:
        raise ValueError(f'picture cannot be decoded: {path}, {Path(path).stat().st_size} bytes') from error


def write_png(
    path: Path,
    picture: np.ndarray,
    strategy: int = cv2.IMWRITE_PNG_STRATEGY_DEFAULT,
    text: tuple[str, str] | None = None,
) -> None:
    """Write an image atomically, with a compression strategy of OpenCV and optionally a (keyword, text) in it."""
    settings = [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_STRATEGY, strategy]
    done, encoded = cv2.imencode('.png', picture, settings)
    if not done:
        raise ValueError(f'cannot encode {path} from an array of {picture.shape} {picture.dtype}')
    content = encoded.tobytes()
    write_bytes(path, with_text(content, *text) if text else content)


def _is_padding(complaint: str, content: bytes) -> bool:
    """True if the surplus bytes before the end are all zeros or ones, with which some cameras pad buffers."""
    found = _SURPLUS.search(complaint)
    if not found or not is_jpeg(content):
        return False
    end = content.rfind(b'\xff\xd9')
    return set(content[end - int(found[1]) : end]) in ({0x00}, {0xFF})
