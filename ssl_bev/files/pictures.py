"""Picture files: reading that notices a truncated file, and writing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from .atomic import write_bytes


def read_picture(
    path: str | Path,
    flag: int = cv2.IMREAD_COLOR,
    context: str = '',
) -> np.ndarray:  # (H, W) or (H, W, 3)
    """Read a picture in OpenCV's channel order (BGR), without its EXIF rotation.

    Args:
        path: a JPEG or PNG file, or what else OpenCV decodes.
        flag: an `cv2.IMREAD_*` flag.
        context: what the picture belongs to, for error messages.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a truncated file, or one that is no picture. OpenCV by itself paints the missing part grey.
    """
    where = f' ({context})' if context else ''
    try:
        content = Path(path).read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise FileNotFoundError(f'picture not found: {path}{where}') from error
    if _is_truncated(content):
        raise ValueError(f'picture is truncated: {path}{where}, {len(content)} bytes; restore the file')
    flags = flag if flag == cv2.IMREAD_UNCHANGED else flag | cv2.IMREAD_IGNORE_ORIENTATION
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if picture is None:
        raise ValueError(f'picture cannot be decoded: {path}{where}, {len(content)} bytes')
    return picture


def picture_size(path: str | Path) -> tuple[int, int]:
    """Height and width of a picture file, from its header."""
    with Image.open(path) as picture:
        return picture.height, picture.width


def write_png(path: Path, picture: np.ndarray, strategy: int = cv2.IMWRITE_PNG_STRATEGY_DEFAULT) -> None:
    """Write a picture atomically, with one of OpenCV's strategies of compression."""
    settings = [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_STRATEGY, strategy]
    done, encoded = cv2.imencode('.png', picture, settings)
    if not done:
        raise ValueError(f'cannot encode {path} from an array of {picture.shape} {picture.dtype}')
    write_bytes(path, encoded.tobytes())


def _is_truncated(content: bytes) -> bool:
    if not content:
        return True
    if content.startswith(b'\xff\xd8'):
        # An end-of-image marker must follow the last start of a scan; inside a scan neither can occur.
        return content.rfind(b'\xff\xd9') < content.rfind(b'\xff\xda') or b'\xff\xda' not in content
    if content.startswith(b'\x89PNG'):
        return b'IEND' not in content[-64:]
    return False
