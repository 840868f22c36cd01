"""The legend of a panel."""

from collections.abc import Sequence

import cv2
import numpy as np

from ssl_bev.visualization.bev_image import RAMP
from ssl_bev.visualization.canvas import FAINT, Label, blank, hatch, text_width, write
from ssl_bev.visualization.palette import class_styles

ROW = 28
SWATCH = (16, 26)
TEXT_SIZE = 15


def draw_legend(classes: Sequence[str], width: int, with_truth: bool = False) -> np.ndarray:
    """Draw one entry per class, then the vehicle, the unknown ground and the meaning of the shade.

    Args:
        classes: the class names, in the order of the legend.
        width: width of the legend, pixels; entries that do not fit go to the next row.
        with_truth: also explain the hatching of unknown ground.

    Returns:
        (height, width, 3) uint8 BGR.
    """
    entries = list(zip(classes, (_plain(style.colour) for style in class_styles(classes)), strict=True))
    entries.append(('vehicle, front up', _arrow_head()))
    if with_truth:
        entries.append(('unknown', _hatched()))
    places, row = [], 0
    x = 0.0
    for name, swatch in entries:
        needed = SWATCH[1] + 6 + text_width(name, TEXT_SIZE)
        if x and x + needed > width:
            row, x = row + 1, 0.0
        places.append((name, swatch, int(x), row * ROW))
        x += needed + 22
    legend = blank((row + 2) * ROW, width)
    labels = []
    for name, swatch, x, y in places:
        middle = y + ROW // 2
        box = legend[middle - SWATCH[0] // 2 : middle + SWATCH[0] // 2, x : x + SWATCH[1]]
        box[:] = swatch[:, : box.shape[1]]
        labels.append(Label(name, x + SWATCH[1] + 6, middle, size=TEXT_SIZE, anchor='lm'))
    low, high = RAMP
    shade = (
        f'Shade: probability {low:g} (nothing) to {high:g} (full). Grid lines every 10 m; white edge: end of the map.'
    )
    labels.append(Label(shade, 0, (row + 1) * ROW + ROW // 2, size=13, colour=FAINT, anchor='lm'))
    write(legend, labels)
    return legend


def _plain(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((*SWATCH, 3), colour, np.uint8)


def _hatched() -> np.ndarray:
    swatch = blank(*SWATCH, 215)
    swatch[hatch(*SWATCH)] = 175
    return swatch


def _arrow_head() -> np.ndarray:
    swatch = blank(*SWATCH)
    corners = np.array([[13, 1], [18, 14], [13, 11], [8, 14]], np.int32)
    cv2.polylines(swatch, [corners], True, (20, 20, 20), 2, cv2.LINE_AA)
    return swatch
