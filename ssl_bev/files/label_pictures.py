"""Images whose values are class ids, in all formats that programs use."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from .integrity import is_jpeg, is_png
from .pictures import PIL_ERRORS, decode_picture, read_picture_file

_GREY, _PALETTE = 0, 3  # colour types of PNG


def read_ids(path: str | Path, context: str = '') -> np.ndarray:  # (H, W) uint8
    """Read class ids: the stored values, not the brightness or colour with which they are shown.

    An image with a palette gives its indices; 1, 2 and 4 bits give 0 and 1, 0 ... 3, 0 ... 15 (decoders stretch them
    to 0 ... 255); 16 bits are accepted if no id is above 255.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged file, a colour image, ids above 255, or a JPEG, whose values are not exact.
    """
    content = read_picture_file(path, context)
    where = f'label picture {path}' + (f' ({context})' if context else '')
    if is_jpeg(content):
        raise ValueError(f'{where} is a JPEG, which does not keep ids; write PNG')
    depth, colour_type = (content[24], content[25]) if is_png(content) else (8, _GREY)
    if colour_type == _PALETTE:
        try:
            with Image.open(io.BytesIO(content)) as picture:
                return np.array(picture)
        except PIL_ERRORS as error:
            raise ValueError(f'{where} cannot be decoded: {error}') from error
    ids = decode_picture(content, path, cv2.IMREAD_UNCHANGED, context)
    if ids.ndim != 2 or ids.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f'{where} is no single-channel 8-bit PNG, got shape {ids.shape} {ids.dtype}; write class ids, not colours'
        )
    if ids.dtype == np.uint16:
        if ids.max(initial=0) > 255:
            raise ValueError(f'{where} has 16 bits and ids up to {ids.max()}; class ids must be at most 255')
        return ids.astype(np.uint8)
    return ids if depth == 8 else ids // np.uint8(255 // (2**depth - 1))
