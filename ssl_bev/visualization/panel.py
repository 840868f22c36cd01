"""One picture per sample: cameras with the reprojected prediction, predicted map, BEV labels, legend."""

from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor

from ssl_bev.geometry import BEVGrid, Road
from ssl_bev.targets import IGNORE
from ssl_bev.visualization.bev_image import draw_bev
from ssl_bev.visualization.canvas import FAINT, Label, blank, fit_text, write
from ssl_bev.visualization.legend import draw_legend
from ssl_bev.visualization.overlay import draw_overlay

NUSCENES_PLACES = (
    'CAM_FRONT_LEFT', 'CAM_FRONT', 'CAM_FRONT_RIGHT',
    'CAM_BACK_LEFT', 'CAM_BACK', 'CAM_BACK_RIGHT',
)  # fmt: skip
"""The six cameras in the order in which they stand in the panel, row by row."""
GAP = 8
CAPTION = 22
BEV_HEIGHTS = (500, 720)
LEGEND_HEIGHT = 60
TILE_WIDTHS = (320, 680)
LEGEND_WIDTH = 480  # without cameras


def camera_places(camera_names: Sequence[str]) -> tuple[list[int], int]:
    """Return the camera indices in panel order, row by row, and the number of columns.

    The six nuScenes cameras are placed by their viewing direction; any other rig is ordered by name.
    """
    if sorted(camera_names) == sorted(NUSCENES_PLACES):
        return [list(camera_names).index(name) for name in NUSCENES_PLACES], 3
    return sorted(range(len(camera_names)), key=lambda index: camera_names[index]), min(3, len(camera_names)) or 1


def draw_panel(
    images: Sequence[np.ndarray],  # N of (H, W, 3) BGR
    camera_names: Sequence[str],
    probabilities: np.ndarray | Tensor,  # (K, rows, columns)
    classes: Sequence[str],
    grid: BEVGrid,
    bev2img: np.ndarray | Tensor,  # (N, 4, 4)
    road: Road | np.ndarray | Tensor,  # of one frame, or road2bev (4, 4)
    *,
    truth: np.ndarray | Tensor | None = None,  # (K', rows', columns')
    truth_classes: Sequence[str] = (),
    truth_grid: BEVGrid | None = None,
    bev_frame: str = 'ego',
    title: str = '',
    tile_width: int | None = None,
) -> np.ndarray:
    """Draw one sample.

    Convention: `bev2img` maps BEV metres to pixels of `images`, the centre of the top-left pixel at (0.5, 0.5). BEV
    arrays have x along the columns and y along the rows; the panel turns them so that forward is up.

    Args:
        images: one picture per camera, uint8; none: maps and legend alone.
        camera_names: the N names.
        probabilities: the prediction, 0 .. 1.
        classes: its K class names.
        grid: its grid.
        bev2img: one matrix per camera.
        road: the ground.
        truth: 0, 1 or 255 (ignored); None: no labels are drawn. Cells that every class ignores are unknown.
        truth_classes: its K' class names.
        truth_grid: its grid, if it is not that of the prediction.
        bev_frame: 'ego' or 'lidar'.
        title: text above the panel, for example the sample token.
        tile_width: width of one camera image in the panel, pixels. By default the cameras are as high as the BEV.

    Returns:
        (height, width, 3) uint8 BGR.

    Raises:
        ValueError: The numbers of images, names and matrices differ, or shapes, classes and grid don't fit together.
    """
    probabilities, bev2img = _tensor(probabilities), _tensor(bev2img)
    road = road if isinstance(road, Road) else Road(_tensor(road))
    if not len(images) == len(camera_names) == len(bev2img):
        raise ValueError(
            'images, camera_names and bev2img must have one entry per camera, '
            f'got {len(images)}, {len(camera_names)} and {len(bev2img)}'
        )
    order, columns = camera_places(camera_names)
    tile_width = tile_width or _fill_height(images, columns)
    tiles = [
        (
            camera_names[n].removeprefix('CAM_').replace('_', ' '),
            _tile(images[n], probabilities, classes, grid, bev2img[n], road, tile_width),
        )
        for n in order
    ]
    rows = -(-len(tiles) // columns)
    cameras_height = rows * (max((tile.shape[0] for _, tile in tiles), default=0) + CAPTION + GAP) - CAPTION
    height = float(np.clip(cameras_height + LEGEND_HEIGHT, *BEV_HEIGHTS))
    bevs = [('BEV prediction, forward is up', _bev(probabilities.float().numpy(), classes, grid, bev_frame, height))]
    shown = list(classes)
    if truth is not None:
        truth = _tensor(truth).numpy()
        observed = ~(truth == IGNORE).all(0)
        known = np.where(truth == 1, 1.0, 0.0)
        bevs.append(
            ('BEV truth, forward is up', _bev(known, truth_classes, truth_grid or grid, bev_frame, height, observed))
        )
        shown += [name for name in truth_classes if name not in shown]
    return compose_panel(tiles, columns, bevs, partial(draw_legend, shown, with_truth=truth is not None), title)


def _fill_height(images: Sequence[np.ndarray], columns: int) -> int:
    """Return the tile width at which the rows of cameras and the legend are about as high as the BEV pictures."""
    if not images:
        return TILE_WIDTHS[0]
    rows = -(-len(images) // columns)
    aspect = max(image.shape[0] / image.shape[1] for image in images)
    height = (BEV_HEIGHTS[1] - LEGEND_HEIGHT) / rows - CAPTION - GAP
    return int(np.clip(height / aspect, *TILE_WIDTHS))


def _tensor(values: np.ndarray | Tensor) -> Tensor:
    return values.detach().cpu() if isinstance(values, Tensor) else torch.from_numpy(np.ascontiguousarray(values))


def _tile(
    image: np.ndarray,
    probabilities: Tensor,
    classes: Sequence[str],
    grid: BEVGrid,
    bev2img: Tensor,
    road: Road,
    width: int,
) -> np.ndarray:
    """Resize the image to the width of the tile and draw the prediction at that size."""
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    shrinks = width < image.shape[1]
    tile = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    scale = torch.diag(torch.tensor([width / image.shape[1], height / image.shape[0], 1.0, 1.0]))
    return draw_overlay(tile, probabilities, classes, grid, scale.to(bev2img) @ bev2img, road)


def _bev(
    probabilities: np.ndarray,
    classes: Sequence[str],
    grid: BEVGrid,
    bev_frame: str,
    height: float,
    observed: np.ndarray | None = None,
) -> np.ndarray:
    forward_cells = grid.shape[1] if bev_frame == 'ego' else grid.shape[0]
    return draw_bev(
        probabilities, classes, grid, bev_frame=bev_frame, observed=observed, pixels_per_cell=height / forward_cells
    )


def compose_panel(
    tiles: Sequence[tuple[str, np.ndarray]],
    columns: int,
    bevs: Sequence[tuple[str, np.ndarray]],
    below: Callable[[int], np.ndarray],
    title: str = '',
) -> np.ndarray:
    """Put pictures of cameras to the left, BEV pictures to the right and an explanation below the cameras.

    Args:
        tiles: captions and pictures of the cameras, row by row, all of one width, uint8 BGR.
        columns: of the cameras, see `camera_places`.
        bevs: captions and BEV pictures from `draw_bev` or `draw_ground`.
        below: width of all columns, pixels -> picture of this width.
        title: text above the panel.

    Returns:
        (height, width, 3) uint8 BGR.
    """
    sizes = [tile.shape[:2] for _, tile in tiles] or [(0, LEGEND_WIDTH)]
    tile_height, tile_width = max(height for height, _ in sizes), sizes[0][1]
    rows = -(-len(tiles) // columns)
    cameras_width = columns * (tile_width + GAP) - GAP
    explanation = below(cameras_width)
    top = GAP + 30
    cameras_bottom = top + rows * (CAPTION + tile_height + GAP)
    bottom = max(cameras_bottom + explanation.shape[0], top + CAPTION + max(bev.shape[0] for _, bev in bevs)) + GAP
    right = GAP + cameras_width + 2 * GAP + sum(bev.shape[1] + GAP for _, bev in bevs)
    panel = blank(bottom, right)
    labels = [Label(fit_text(title, 18, right - 2 * GAP, bold=True), GAP, GAP + 2, size=18, bold=True)]

    def place(caption: str, picture: np.ndarray, x: int, y: int) -> None:
        labels.append(Label(fit_text(caption, 14, picture.shape[1]), x, y + 2, colour=FAINT))
        panel[y + CAPTION : y + CAPTION + picture.shape[0], x : x + picture.shape[1]] = picture

    for index, (caption, tile) in enumerate(tiles):
        row, column = divmod(index, columns)
        place(caption, tile, GAP + column * (tile_width + GAP), top + row * (CAPTION + tile_height + GAP))
    panel[cameras_bottom : cameras_bottom + explanation.shape[0], GAP : GAP + cameras_width] = explanation
    x = GAP + cameras_width + 2 * GAP
    for caption, bev in bevs:
        place(caption, bev, x, top)
        x += bev.shape[1] + GAP
    write(panel, labels)
    return panel
