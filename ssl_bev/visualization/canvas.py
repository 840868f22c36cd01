"""Text and hatching for pictures that are numpy arrays."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK = (40, 40, 40)
FAINT = (120, 120, 120)
PAPER = 250


class Label(NamedTuple):
    """One line of text on a picture."""

    text: str
    x: float
    y: float
    size: int = 14  # pixels
    colour: tuple[int, int, int] = INK  # BGR
    anchor: str = 'la'  # Pillow's text anchor; 'mm' is the middle
    bold: bool = False


@lru_cache(maxsize=16)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / 'fonts' / 'ttf' / name), size)


def text_width(text: str, size: int, bold: bool = False) -> float:
    """Return the width of a line of text in pixels."""
    return _font(size, bold).getlength(text)


def fit_text(text: str, size: int, width: float, bold: bool = False) -> str:
    """Return the text, with its end replaced by an ellipsis if it is wider than `width` pixels."""
    if text_width(text, size, bold) <= width:
        return text
    while text and text_width(f'{text}…', size, bold) > width:
        text = text[:-1]
    return f'{text}…'


def write(picture: np.ndarray, labels: Sequence[Label]) -> None:
    """Write the labels onto a BGR uint8 picture, in place."""
    image = Image.fromarray(picture)  # the channel order does not matter, since the colours are also BGR
    draw = ImageDraw.Draw(image)
    for label in labels:
        draw.text(
            (label.x, label.y), label.text, font=_font(label.size, label.bold), fill=label.colour, anchor=label.anchor
        )
    picture[:] = np.asarray(image)


def hatch(height: int, width: int, spacing: int = 8) -> np.ndarray:
    """Return a (height, width) bool picture of diagonal lines, True on a line."""
    rows, columns = np.mgrid[:height, :width]
    return (rows + columns) % spacing < 2


def blank(height: int, width: int, value: int = PAPER) -> np.ndarray:
    """Return an empty (height, width, 3) uint8 picture."""
    return np.full((height, width, 3), value, np.uint8)
