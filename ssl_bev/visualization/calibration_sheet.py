"""One sheet to check a calibration by eye: cameras with guides, and all of them on the ground."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from torch import Tensor

from ssl_bev.geometry import BEVGrid, Road, scale_pixels
from ssl_bev.visualization.bev_image import draw_ground, to_picture_position
from ssl_bev.visualization.canvas import FAINT, Label, blank, text_width, write
from ssl_bev.visualization.ground_guides import draw_ground_guides
from ssl_bev.visualization.ground_mosaic import ground_mosaic
from ssl_bev.visualization.label_sheet import class_colours
from ssl_bev.visualization.panel import camera_places, compose_panel

GRID = BEVGrid((-24.0, 24.0), (-16.0, 16.0), 0.05)
SCALE = 1.0  # pixels a cell
TILE_WIDTH = 640
HELP = (
    'The grid (5 m, every second line stronger) must lie on the road, its lines along straight',
    'kerbs and paint; the blue-green line must be where level ground ends; red points forward,',
    'green left, blue up.',
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
    tiles = [(camera_names[n], _tile(images[n], bev2img[n], road)) for n in order]
    mosaic, shown = ground_mosaic(images, bev2img, road, grid)
    colours = np.vstack([class_colours(len(images))[: len(images)], np.full((1, 3), 120, np.uint8)])
    ground, regions = (draw_ground(cells, grid, pixels_per_cell=SCALE) for cells in (mosaic, colours[shown]))
    write(regions, _region_names(shown, camera_names, grid, regions.shape[1]))
    grounds = [('all cameras on the ground, forward is up', ground), ('which camera that is', regions)]
    return compose_panel(tiles, columns, grounds, _draw_help, title)


def _tile(image: np.ndarray, bev2img: Tensor, road: Road | Tensor) -> np.ndarray:
    """The image at the width of the sheet, with the guides drawn afterwards, so that they are sharp."""
    height = max(1, round(image.shape[0] * TILE_WIDTH / image.shape[1]))
    shrinks = image.shape[1] > TILE_WIDTH
    tile = cv2.resize(image, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    scaled = scale_pixels(bev2img, TILE_WIDTH / image.shape[1], height / image.shape[0])
    return draw_ground_guides(tile, scaled, road)


def _region_names(shown: np.ndarray, camera_names: Sequence[str], grid: BEVGrid, width: int) -> list[Label]:
    """The name of each camera in the middle of its ground, complete even if that is at the edge of the picture."""
    labels = []
    centers = grid.cell_centers().numpy()
    for n, name in enumerate(camera_names):
        if (shown == n).any():
            u, v = to_picture_position(np.median(centers[shown == n], 0), grid, SCALE)
            half = text_width(name, 13, bold=True) / 2
            u = max(half, min(u, width - half))
            labels.append(Label(name, u, v, size=13, anchor='mm', bold=True))
    return labels


def _draw_help(width: int) -> np.ndarray:
    picture = blank(len(HELP) * 18, width)
    write(picture, [Label(line, 0, 18 * i, size=13, colour=FAINT) for i, line in enumerate(HELP)])
    return picture
