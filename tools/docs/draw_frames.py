"""Draw the picture of docs/conventions.md: frames, axes, BEV grid and pixels.

python tools/docs/draw_frames.py [OUT]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from ssl_bev.visualization.bev_image import turn_forward_up

WHITE_BOX = {'fc': 'white', 'ec': 'none', 'alpha': 0.85, 'pad': 1.0}
X_COLOUR, Y_COLOUR, GRID_COLOUR, CAMERA_COLOUR, BLOB = '#D55E00', '#009E73', '#5F6F80', '#0072B2', '#CC79A7'
LIDAR = (0.94, 0.0)  # metres ahead of the ego origin, as on the nuScenes cars
FRONT_CAMERA = (1.70, 0.0)
CELLS = (6, 12)  # rows, columns: cells of 5 m, so that they can be counted
CELL_SIZE = 5.0
BLOB_CELL = (4, 10)  # row, column: ahead and to the left


def draw_frames_figure(out: str | Path) -> Path:
    """Draw the frames and write the picture.

    Args:
        out: a PNG or any other format of matplotlib; its folder is created.

    Returns:
        The path of the picture.
    """
    figure = Figure(figsize=(15.5, 8.6), layout='constrained')
    grid = figure.add_gridspec(2, 3, width_ratios=(1.05, 1.25, 1.25))
    _draw_ground(figure.add_subplot(grid[:, 0]))
    _draw_vehicle(figure.add_subplot(grid[0, 1]))
    _draw_tensor(figure.add_subplot(grid[1, 1]))
    _draw_side(figure.add_subplot(grid[0, 2]))
    _draw_pixels(figure.add_subplot(grid[1, 2]))
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=100, metadata={'Software': None})
    return out


def _arrow(axes: Axes, start: tuple, step: tuple, colour: str, text: str, shift: tuple = (0, 0)) -> None:
    end = (start[0] + step[0], start[1] + step[1])
    axes.annotate('', end, start, arrowprops={'arrowstyle': '-|>', 'color': colour, 'lw': 2.2, 'shrinkA': 0})
    axes.text(
        end[0] + shift[0],
        end[1] + shift[1],
        text,
        color=colour,
        ha='center',
        va='center',
        fontsize=10.5,
        bbox=WHITE_BOX,
    )


def _seen_from_above(x: float | np.ndarray, y: float | np.ndarray) -> tuple:
    """Ego metres to the picture: forward is up, left is left."""
    return -np.asarray(y), np.asarray(x)


def _draw_ground(axes: Axes) -> None:
    axes.set_title('1  The road from above, in cells of 5 m', fontsize=12)
    rows, columns = CELLS
    half_x, half_y = columns * CELL_SIZE / 2, rows * CELL_SIZE / 2
    for row in range(rows + 1):
        line = _seen_from_above(np.array([-half_x, half_x]), -half_y + row * CELL_SIZE + np.zeros(2))
        axes.plot(*line, color=GRID_COLOUR, lw=0.7)
    for column in range(columns + 1):
        axes.plot(*_seen_from_above(-half_x + column * CELL_SIZE + np.zeros(2), np.array([-half_y, half_y])),
                  color=GRID_COLOUR, lw=0.7)  # fmt: skip
    _cell(axes, (0, 0), '#E69F00', 'row 0\ncol 0')
    _cell(axes, BLOB_CELL, BLOB, 'row 4\ncol 10')
    axes.add_patch(Rectangle((-0.9, -1.0), 1.8, 4.1, color='0.85', ec='0.3', zorder=3))
    _arrow(axes, (0, 0), (0, 12), X_COLOUR, 'x forward', (0, 1))
    _arrow(axes, (0, 0), (-9, 0), Y_COLOUR, 'y left', (-1, 1.3))
    axes.plot(0, 0, 'ko', ms=5, zorder=5)
    axes.text(1.3, -2.0, 'ego origin:\non the road, z = 0', fontsize=9.5, va='center', bbox=WHITE_BOX)
    _arrow(axes, (half_y + 2.5, -half_x), (0, 2 * half_x), GRID_COLOUR, '', (0, 0))
    axes.text(half_y + 4.2, 0, 'column index j grows with x', rotation=90, va='center', ha='center', color=GRID_COLOUR)
    _arrow(axes, (half_y, -half_x - 2.5), (-2 * half_y, 0), GRID_COLOUR, '', (0, 0))
    axes.text(0, -half_x - 4.2, 'row index i grows with y', va='center', ha='center', color=GRID_COLOUR)
    axes.set(xlim=(-half_y - 3, half_y + 6), ylim=(-half_x - 6, half_x + 2), aspect='equal')
    axes.axis('off')


def _cell(axes: Axes, cell: tuple[int, int], colour: str, text: str) -> None:
    rows, columns = CELLS
    x = (cell[1] - columns / 2) * CELL_SIZE
    y = (cell[0] - rows / 2) * CELL_SIZE
    corner = _seen_from_above(x, y + CELL_SIZE)
    axes.add_patch(Rectangle(corner, CELL_SIZE, CELL_SIZE, color=colour, alpha=0.75))
    axes.text(corner[0] + CELL_SIZE / 2, corner[1] + CELL_SIZE / 2, text, ha='center', va='center', fontsize=8.5)


def _draw_vehicle(axes: Axes) -> None:
    axes.set_title('2  Three frames on one vehicle, from above', fontsize=12)
    axes.add_patch(Rectangle((-0.87, -0.95), 1.73, 4.1, color='0.93', ec='0.3'))
    for x in (0, 2.6):
        for side in (-0.87, 0.72):
            axes.add_patch(Rectangle((side, x - 0.3), 0.15, 0.6, color='0.35'))
    edge = 2.9
    axes.add_patch(
        Polygon(
            [(0, 1.7), (-edge * 0.45, 1.7 + edge * 0.6), (edge * 0.45, 1.7 + edge * 0.6)],
            color=CAMERA_COLOUR,
            alpha=0.12,
        )
    )
    _arrow(axes, (0, 0), (0, 0.85), X_COLOUR, 'x', (-0.16, -0.1))
    _arrow(axes, (0, 0), (-1.2, 0), Y_COLOUR, 'y', (-0.15, 0))
    _arrow(axes, (0, LIDAR[0]), (1.2, 0), X_COLOUR, 'x', (0.15, 0))
    _arrow(axes, (0, LIDAR[0]), (0, 0.62), Y_COLOUR, 'y', (0.17, -0.08))
    _arrow(axes, (0, FRONT_CAMERA[0]), (1.2, 0), X_COLOUR, 'x', (0.15, 0))
    _arrow(axes, (0, FRONT_CAMERA[0]), (0, 1.3), CAMERA_COLOUR, 'z', (0.16, 0))
    for x in (0, LIDAR[0], FRONT_CAMERA[0]):
        axes.plot(0, x, 'ko', ms=5, zorder=5)
    texts = (
        (0.0, 'EGO (default BEV frame)\nx forward, y left, z up\nrear axle, on the road'),
        (LIDAR[0], 'LIDAR\nx right, y forward, z up\n1.84 m above the road'),
        (FRONT_CAMERA[0], 'CAMERA (each one)\nx right, y down, z forward'),
    )
    for x, text in texts:
        axes.text(1.75, x, text, va='center', fontsize=9.5)
    axes.set(xlim=(-2.4, 4.6), ylim=(-1.2, 3.5), aspect='equal')
    axes.axis('off')


def _draw_side(axes: Axes) -> None:
    axes.set_title('3  From the right: a pixel’s ray meets the road', fontsize=12)
    axes.axhline(0, color='0.4', lw=2)
    axes.add_patch(Polygon([(-0.95, 0.3), (3.1, 0.3), (3.1, 0.85), (2.2, 1.0), (1.5, 1.5), (-0.6, 1.5), (-0.95, 0.95)],
                           color='0.93', ec='0.3'))  # fmt: skip
    for x in (0, 2.6):
        axes.add_patch(Rectangle((x - 0.3, 0), 0.6, 0.6, color='0.35'))
    camera = (1.7, 1.51)
    axes.plot([camera[0], 9], [camera[1], 0], color=CAMERA_COLOUR, lw=1.6)
    axes.plot([camera[0], 9.8], [camera[1], camera[1]], '--', color=CAMERA_COLOUR, lw=1)
    axes.text(9.8, 1.62, 'horizon: no road above it', color=CAMERA_COLOUR, ha='right', va='bottom', fontsize=9.5)
    axes.plot(9, 0, 'o', color=BLOB, ms=8, zorder=5)
    axes.text(10.3, 0.2, 'BEV (x, y), z = 0', ha='right', va='bottom', fontsize=9.5)
    axes.text(5.0, 1.05, 'ray of pixel (u, v)', color=CAMERA_COLOUR, fontsize=9.5)
    _arrow(axes, (0, 0), (0, 2.2), '#56B4E9', 'z', (0.25, 0))
    _arrow(axes, (0, 0), (1.4, 0), X_COLOUR, 'x', (0.1, 0.2))
    for point in ((0, 0), camera):
        axes.plot(*point, 'ko', ms=5, zorder=5)
    axes.plot(LIDAR[0], 1.84, 'ko', ms=5)
    axes.text(LIDAR[0] + 0.15, 1.95, 'lidar', fontsize=9.5)
    axes.text(
        5.2, -0.75, 'bev2img = cam2img @ lidar2cam @ inv(lidar2bev)', ha='center', family='monospace', fontsize=9.5
    )
    axes.set(xlim=(-1.3, 10.4), ylim=(-1.1, 2.8), aspect='equal')
    axes.axis('off')


def _draw_tensor(axes: Axes) -> None:
    axes.set_title('4  The same map as a tensor (…, H, W), as numpy prints it', fontsize=12)
    tensor = np.zeros(CELLS)
    tensor[BLOB_CELL] = 1
    assert turn_forward_up(tensor)[CELLS[1] - 1 - BLOB_CELL[1], CELLS[0] - 1 - BLOB_CELL[0]] == 1
    for row in range(CELLS[0]):
        for column in range(CELLS[1]):
            colour = {(0, 0): '#E69F00', BLOB_CELL: BLOB}.get((row, column), 'white')
            axes.add_patch(Rectangle((column, row), 1, 1, fc=colour, ec=GRID_COLOUR, lw=0.7, alpha=0.75))
    axes.plot(np.arange(CELLS[1]) + 0.5, np.full(CELLS[1], 0.5), '.', color='0.3', ms=3)
    _arrow(axes, (6, 3), (3, 0), X_COLOUR, 'x forward', (1.3, -0.05))
    _arrow(axes, (6, 3), (0, 2), Y_COLOUR, 'y left', (0, 0.35))
    axes.plot(6, 3, 'ko', ms=5)
    axes.text(6, -0.55, 'columns j = 0 … W - 1', ha='center', color=GRID_COLOUR)
    axes.text(-0.5, 3, 'rows i = 0 … H - 1', rotation=90, va='center', ha='center', color=GRID_COLOUR)
    axes.text(
        6, 6.5, 'centre of cell (i, j):  x = x_min + (j + 0.5) c,  y = y_min + (i + 0.5) c', ha='center', fontsize=9.5
    )
    axes.set(xlim=(-1, 12.5), ylim=(7.2, -1), aspect='equal')
    axes.axis('off')


def _draw_pixels(axes: Axes) -> None:
    axes.set_title('5  Pixels of an image, W = 8, H = 4', fontsize=12)
    for row in range(4):
        for column in range(8):
            axes.add_patch(Rectangle((column, row), 1, 1, fc='white', ec=CAMERA_COLOUR, lw=0.7))
    axes.add_patch(Rectangle((0, 0), 1, 1, fc='#56B4E9', ec=CAMERA_COLOUR, alpha=0.6))
    axes.plot(0.5, 0.5, 'ko', ms=5)
    axes.annotate('centre of the top-left pixel:\n(u, v) = (0.5, 0.5)', (0.5, 0.5), (1.6, 1.6), fontsize=9.5,
                  arrowprops={'arrowstyle': '-', 'color': '0.3'}, va='center', bbox=WHITE_BOX)  # fmt: skip
    for corner, side in (((0, 0), 'right'), ((8, 4), 'left')):
        axes.plot(*corner, 's', color=CAMERA_COLOUR, ms=6)
        axes.text(corner[0] + (0.2 if side == 'left' else -0.2), corner[1], f'({corner[0]}, {corner[1]})', ha=side,
                  va='center', color=CAMERA_COLOUR)  # fmt: skip
    _arrow(axes, (0, -0.5), (3, 0), X_COLOUR, 'u: right, the camera’s x', (2.4, 0))
    _arrow(axes, (-1.3, 0.9), (0, 2.2), Y_COLOUR, 'v: down,\nthe camera’s y', (0, 0.65))
    axes.text(4, 4.65, 'resize by s: u → s u      flip: u → W - u      crop at c: u → u - c', ha='center', fontsize=9.5)
    axes.set(xlim=(-2.6, 9.6), ylim=(5.1, -1), aspect='equal')
    axes.axis('off')


if __name__ == '__main__':
    default = Path(__file__).resolve().parents[2] / 'docs' / 'images' / 'frames.png'
    print(draw_frames_figure(sys.argv[1] if len(sys.argv) > 1 else default))
