"""One sheet to check a calibration by eye: cameras with guides, and all of them on the ground."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from torch import Tensor

from ssl_bev.geometry import BEVGrid, Road, scale_pixels
from ssl_bev.visualization.bev_image import draw_ground, to_picture_position
from ssl_bev.visualization.canvas import FAINT, Label, blank, fit_text, write
from ssl_bev.visualization.ground_guides import draw_ground_guides
from ssl_bev.visualization.ground_mosaic import ground_mosaic
from ssl_bev.visualization.label_sheet import class_colours
from ssl_bev.visualization.panel import camera_places

GRID = BEVGrid((-24.0, 24.0), (-16.0, 16.0), 0.05)
SCALE = 1.0  # pixels a cell
GAP, CAPTION, TILE_WIDTH = 8, 22, 640
HELP = (
    'The grid (5 m, every second line stronger) must lie on the road, its lines along kerbs and paint where that is',
    'straight; the blue-green line must be where level ground ends; red points forward, green left, blue up.',
    'On the ground, paint and kerbs must go on without a step where one camera follows another.',
)


def draw_calibration_sheet(
    images: Sequence[np.ndarray],  # N of (h, w, 3) BGR, of any sizes
    camera_names: Sequence[str],
    bev2img: Tensor,  # (N, 4, 4)
    road: Road | Tensor,  # of one frame, or road2bev (4, 4)
    title: str = '',
    grid: BEVGrid = GRID,
) -> np.ndarray:  # (height, width, 3) uint8 BGR
    """Each camera with grid, horizon and axes, the mosaic of all cameras, and the camera of each part.

    Convention: the BEV frame is the ego frame; pictures of the ground have forward up.
    """
    order, columns = camera_places(camera_names)
    tiles = [_tile(images[n], bev2img[n], road) for n in order]
    mosaic, shown = ground_mosaic(images, bev2img, road, grid)
    colours = np.vstack([class_colours(len(images))[: len(images)], np.full((1, 3), 120, np.uint8)])
    grounds = [draw_ground(cells, grid, pixels_per_cell=SCALE) for cells in (mosaic, colours[shown])]
    captions = ('all cameras on the ground, forward is up', 'which camera that is')
    rows = -(-len(tiles) // columns)
    tile_height = max(tile.shape[0] for tile in tiles)
    left, top = columns * (TILE_WIDTH + GAP), GAP + 30
    bottom = max(top + rows * (CAPTION + tile_height + GAP) + len(HELP) * 18, top + CAPTION + grounds[0].shape[0])
    sheet = blank(bottom + GAP, GAP + left + sum(ground.shape[1] + GAP for ground in grounds))
    labels = [Label(fit_text(title, 18, sheet.shape[1] - 2 * GAP, bold=True), GAP, GAP + 2, size=18, bold=True)]
    for place, (n, tile) in enumerate(zip(order, tiles, strict=True)):
        x = GAP + place % columns * (TILE_WIDTH + GAP)
        y = top + place // columns * (CAPTION + tile_height + GAP)
        labels.append(Label(camera_names[n], x, y + 2, colour=FAINT))
        sheet[y + CAPTION : y + CAPTION + tile.shape[0], x : x + TILE_WIDTH] = tile
    y = top + rows * (CAPTION + tile_height + GAP)
    labels += [Label(fit_text(line, 13, left), GAP, y + 18 * i, size=13, colour=FAINT) for i, line in enumerate(HELP)]
    x = GAP + left
    for caption, ground in zip(captions, grounds, strict=True):
        labels.append(Label(fit_text(caption, 14, ground.shape[1]), x, top + 2, colour=FAINT))
        sheet[top + CAPTION : top + CAPTION + ground.shape[0], x : x + ground.shape[1]] = ground
        if ground is grounds[1]:
            labels += _region_names(shown, camera_names, grid, x, top + CAPTION)
        x += ground.shape[1] + GAP
    write(sheet, labels)
    return sheet


def _tile(image: np.ndarray, bev2img: Tensor, road: Road | Tensor) -> np.ndarray:
    """The image at the width of the sheet, with the guides drawn afterwards, so that they are sharp."""
    height = max(1, round(image.shape[0] * TILE_WIDTH / image.shape[1]))
    shrinks = image.shape[1] > TILE_WIDTH
    tile = cv2.resize(image, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    scaled = scale_pixels(bev2img, TILE_WIDTH / image.shape[1], height / image.shape[0])
    return draw_ground_guides(tile, scaled, road)


def _region_names(shown: np.ndarray, camera_names: Sequence[str], grid: BEVGrid, x: int, y: int) -> list[Label]:
    """The name of each camera in the middle of its ground."""
    labels = []
    centers = grid.cell_centers().numpy()
    for n, name in enumerate(camera_names):
        if (shown == n).any():
            u, v = to_picture_position(np.median(centers[shown == n], 0), grid, SCALE)
            labels.append(Label(name, x + u, y + v, size=13, anchor='mm', bold=True))
    return labels
