"""Colours of the classes, and the order in which they are painted.

The hues are those of Okabe and Ito, which are distinct for people with common forms of colour blindness. Areas are pale
and lines are strong, so that lines are visible on areas.
"""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

AREA, CROSSING, LINE = 0, 1, 2


class ClassStyle(NamedTuple):
    """The style of one class: its colour, and its layer, which defines the classes that it covers."""

    colour: tuple[int, int, int]  # blue, green, red: 0 .. 255
    layer: int


def _style(rgb: str, layer: int) -> ClassStyle:
    red, green, blue = bytes.fromhex(rgb)
    return ClassStyle((blue, green, red), layer)


STYLES: dict[str, ClassStyle] = {
    'drivable_area': _style('8FA9C4', AREA),
    'drivable': _style('8FA9C4', AREA),
    'road_segment': _style('8FA9C4', AREA),
    'walkway': _style('E3CFA4', AREA),
    'carpark_area': _style('B9A6CF', AREA),
    'ped_crossing': _style('009E73', CROSSING),
    'crosswalk': _style('009E73', CROSSING),
    'stop_line': _style('F0E442', CROSSING),
    'road_divider': _style('003F8C', LINE),
    'lane_divider': _style('D55E00', LINE),
    'divider': _style('D55E00', LINE),
    'marking': _style('E69F00', LINE),
    'boundary': _style('CC79A7', LINE),
}
_SPARE_RGB = ('F5C7A9', '56B4E9', '7A3E9D', '8C510A', '4D7C0F', 'B2182B', '01665E', '737373')


def class_styles(classes: Sequence[str]) -> list[ClassStyle]:
    """Return the style of each class.

    A known name always has its own colour. An unknown name gets a colour that depends on the name, or the next free one
    if two names of the list have the same.
    """
    taken: set[int] = set()
    styles = []
    for name in classes:
        if name in STYLES:
            styles.append(STYLES[name])
            continue
        spare = zlib.crc32(name.encode()) % len(_SPARE_RGB)
        if len(taken) < len(_SPARE_RGB):
            while spare in taken:
                spare = (spare + 1) % len(_SPARE_RGB)
        taken.add(spare)
        styles.append(_style(_SPARE_RGB[spare], LINE))
    return styles


def painting_order(classes: Sequence[str]) -> list[int]:
    """Return the indices of the classes from the first painted (areas) to the last (lines)."""
    styles = class_styles(classes)
    return sorted(range(len(classes)), key=lambda index: (styles[index].layer, index))


def paint(
    picture: np.ndarray,  # (H, W, 3) BGR
    strength: np.ndarray,  # (K, H, W), 0 .. 1
    classes: Sequence[str],
) -> np.ndarray:
    """Return the picture with every class blended over it, areas first and lines last.

    Args:
        picture: uint8 or float, not changed.
        strength: opacity of the class colour, per class and pixel.
        classes: the K class names.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        ValueError: The shapes of `picture`, `strength` and `classes` don't fit together.
    """
    if strength.shape != (len(classes), *picture.shape[:2]):
        raise ValueError(
            f'strength must have the shape (classes, height, width) = {(len(classes), *picture.shape[:2])}, '
            f'got {strength.shape}'
        )
    painted = picture.astype(np.float32)
    styles = class_styles(classes)
    for index in painting_order(classes):
        opacity = np.clip(strength[index], 0, 1).astype(np.float32)[..., None]
        painted += opacity * (np.asarray(styles[index].colour, np.float32) - painted)
    return np.clip(np.rint(painted), 0, 255).astype(np.uint8)
