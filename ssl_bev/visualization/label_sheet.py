"""Contact sheets of pseudo-labels: classes of the teacher, targets, and both on the ground."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from ssl_bev.targets import IGNORE
from ssl_bev.visualization.canvas import FAINT, Label, blank, fit_text, hatch, write
from ssl_bev.visualization.legend import draw_legend
from ssl_bev.visualization.palette import paint

TILE_WIDTH = 320
GAP = 8
CAPTION = 22
HISTOGRAM_WIDTH = 420
HISTOGRAM_ROW = 20
COLUMNS = ('image', 'classes of the teacher', 'targets; hatched: ignored', 'confidence: dark 0, bright 1')


class CameraLabels(NamedTuple):
    """One image and its labels."""

    name: str
    image: np.ndarray  # (H, W, 3) uint8 BGR
    ids: np.ndarray  # (H, W) uint8
    confidence: np.ndarray  # (H, W) uint8, 255 = certain
    targets: np.ndarray  # (H, W, K) uint8, 1, 0 or 255 = ignore


class BEVPicture(NamedTuple):
    """A BEV map, drawn by `draw_bev`, and its caption."""

    caption: str
    picture: np.ndarray  # (h, w, 3) uint8 BGR


def class_colours(count: int) -> np.ndarray:  # (256, 3) uint8 BGR
    """A colour for each class id, different for neighbours; white for ids that are no class."""
    ids = np.arange(count)
    hue = (ids * 0.618034 % 1 * 180).astype(np.uint8)
    saturation, value = np.array([150, 220, 90])[ids % 3], np.array([230, 170, 120, 200])[ids % 4]
    colours = np.full((256, 3), 255, np.uint8)
    hsv = np.stack([hue, saturation, value], -1).astype(np.uint8)
    colours[:count] = cv2.cvtColor(hsv[None], cv2.COLOR_HSV2BGR)[0]
    return colours


def draw_histogram(
    counts: np.ndarray,  # (256,) pixels of each id
    class_names: Sequence[str],
    rows: int = 20,
) -> np.ndarray:  # (rows * HISTOGRAM_ROW, HISTOGRAM_WIDTH, 3) uint8 BGR
    """The most frequent classes with their colours, as bars on a logarithmic scale from 0.01 % to 100 %."""
    names = [*class_names, *['no class'] * (256 - len(class_names))]
    colours, total = class_colours(len(class_names)), max(int(counts.sum()), 1)
    order = [i for i in np.argsort(-counts, kind='stable') if counts[i]][:rows]
    picture, labels = blank(max(rows, 1) * HISTOGRAM_ROW, HISTOGRAM_WIDTH), []
    for row, i in enumerate(order):
        share, y = counts[i] / total, row * HISTOGRAM_ROW
        length = int(max(np.log10(share * 1e4), 0) / 4 * 150) + 2
        picture[y + 3 : y + HISTOGRAM_ROW - 3, 200 : 200 + length] = colours[i]
        picture[[y + 3, y + HISTOGRAM_ROW - 4], 200 : 200 + length] = FAINT  # pale bars need an edge
        labels.append(Label(fit_text(names[i], 13, 190), 194, y + HISTOGRAM_ROW // 2, size=13, anchor='rm'))
        labels.append(Label(f'{100 * share:.2f} %', 206 + length, y + HISTOGRAM_ROW // 2, size=12, anchor='lm'))
    write(picture, labels)
    return picture


def draw_label_sheet(
    cameras: Sequence[CameraLabels],
    class_names: Sequence[str],
    target_classes: Sequence[str],
    bevs: Sequence[BEVPicture] = (),
    shown_classes: Sequence[str] = (),
    title: str = '',
) -> np.ndarray:
    """One row for each camera (image, classes, targets, confidence); beside them BEV maps and the class histogram.

    Args:
        cameras: in the order of the rows.
        class_names: of the teacher, in the order of the ids.
        target_classes: the K names of the targets.
        bevs: maps of the ground.
        shown_classes: further classes that the maps show, for the legend.
        title: text above the sheet.

    Returns:
        (height, width, 3) uint8 BGR.

    Raises:
        ValueError: no camera.
    """
    if not cameras:
        raise ValueError('draw_label_sheet needs at least one camera, got none')
    rows = [_row(camera, class_names, target_classes) for camera in cameras]
    left = len(COLUMNS) * (TILE_WIDTH + GAP) - GAP
    legend = draw_legend([*target_classes, *(c for c in shown_classes if c not in target_classes)], left, bool(bevs))
    counts = sum(np.bincount(camera.ids.ravel(), minlength=256) for camera in cameras)
    histogram = draw_histogram(counts, class_names)
    top = GAP + 30
    bev_height = max((bev.picture.shape[0] for bev in bevs), default=-CAPTION - GAP) + CAPTION + GAP
    right_width = max(sum(bev.picture.shape[1] + GAP for bev in bevs) - GAP, HISTOGRAM_WIDTH)
    rows_bottom = top + CAPTION + sum(row.shape[0] + CAPTION + GAP for row in rows)
    height = max(rows_bottom + legend.shape[0], top + bev_height + CAPTION + histogram.shape[0]) + GAP
    sheet = blank(height, GAP + left + 2 * GAP + right_width + GAP)
    labels = [Label(fit_text(title, 18, sheet.shape[1] - 2 * GAP, bold=True), GAP, GAP + 2, size=18, bold=True)]
    for column, caption in enumerate(COLUMNS):
        labels.append(Label(caption, GAP + column * (TILE_WIDTH + GAP), top + 2, size=13, colour=FAINT))
    y = top + CAPTION
    for camera, row in zip(cameras, rows, strict=True):
        labels.append(Label(camera.name.removeprefix('CAM_').replace('_', ' '), GAP, y + 2))
        _put(sheet, row, GAP, y + CAPTION)
        y += CAPTION + row.shape[0] + GAP
    _put(sheet, legend, GAP, y)
    x = GAP + left + 2 * GAP
    y = top + bev_height
    labels.append(Label('classes in these images, share of the pixels (logarithmic)', x, y + 2, size=13, colour=FAINT))
    _put(sheet, histogram, x, y + CAPTION)
    for bev in bevs:
        labels.append(Label(f'{bev.caption}, forward is up', x, top + 2, size=13, colour=FAINT))
        _put(sheet, bev.picture, x, top + CAPTION)
        x += bev.picture.shape[1] + GAP
    write(sheet, labels)
    return sheet


def draw_targets(
    image: np.ndarray,  # (H, W, 3) uint8 BGR
    targets: np.ndarray,  # (H, W, K) uint8, 1, 0 or 255 = ignore
    classes: Sequence[str],
) -> np.ndarray:  # (H, W, 3) uint8 BGR
    """The image in grey, positive targets in their colours, hatched where every target is ignored."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    painted = paint(grey, 0.7 * (targets == 1).transpose(2, 0, 1), classes)
    ignored = (targets == IGNORE).all(-1)
    painted[ignored] = painted[ignored] // 3 + 120
    painted[ignored & hatch(*ignored.shape)] = 235
    return painted


def _row(camera: CameraLabels, class_names: Sequence[str], target_classes: Sequence[str]) -> np.ndarray:
    height, width = camera.ids.shape
    size = (TILE_WIDTH, max(1, round(height * TILE_WIDTH / width)))
    nearest = dict(dsize=size, interpolation=cv2.INTER_NEAREST)
    image = cv2.resize(camera.image, size, interpolation=cv2.INTER_AREA if width > TILE_WIDTH else cv2.INTER_LINEAR)
    targets = cv2.resize(camera.targets, **nearest).reshape(*size[::-1], -1)  # OpenCV drops a single channel
    tiles = [
        image,
        class_colours(len(class_names))[cv2.resize(camera.ids, **nearest)],
        draw_targets(image, targets, target_classes),
        cv2.applyColorMap(cv2.resize(camera.confidence, **nearest), cv2.COLORMAP_VIRIDIS),
    ]
    row = blank(size[1], len(tiles) * (TILE_WIDTH + GAP) - GAP)
    for column, tile in enumerate(tiles):
        _put(row, tile, column * (TILE_WIDTH + GAP), 0)
    return row


def _put(sheet: np.ndarray, picture: np.ndarray, x: int, y: int) -> None:
    sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
