"""The axes of the BEV frame in the corner of a picture: which way is forward, and which way x and y grow."""

import cv2
import numpy as np

from ssl_bev.visualization.canvas import INK, PAPER, Label, text_width, write

AXES = {
    'ego': (('x, forward', (0, -1)), ('y, left', (-1, 0))),
    'lidar': (('y, forward', (0, -1)), ('x, right', (1, 0))),
}
"""BEV frame -> name and direction (columns, rows) of the axis that points up, and of the other one."""
SMALLEST = (120, 100)
"""Height and width below which nothing fits, pixels."""
ARROW, TEXT, MARGIN = 26, 11, 5


def draw_axes(picture: np.ndarray, bev_frame: str = 'ego') -> None:
    """Draw the axes into the lower left corner of a turned BEV picture, in place; nothing is drawn if it is too small.

    Args:
        picture: (rows, columns, 3) uint8 BGR, forward up.
        bev_frame: 'ego' or 'lidar'.

    Raises:
        KeyError: the frame is unknown.
    """
    (up, _), (aside, direction) = AXES[bev_frame]
    height, width = picture.shape[:2]
    if height < SMALLEST[0] or width < SMALLEST[1]:
        return
    box_height, box_width = ARROW + 2 * TEXT + 3 * MARGIN, round(text_width(up, TEXT)) + 2 * MARGIN
    box = picture[height - box_height :, :box_width]
    box[:] = (0.25 * box + 0.75 * PAPER).astype(np.uint8)
    x = MARGIN + (ARROW if direction[0] < 0 else 3)
    y = height - 2 * MARGIN - TEXT
    for step in ((0, -1), direction):
        tip = (x + ARROW * step[0], y + ARROW * step[1])
        cv2.arrowedLine(picture, (x, y), tip, INK, 2, cv2.LINE_AA, tipLength=0.3)
    write(
        picture,
        [
            Label(up, MARGIN if direction[0] > 0 else x - ARROW, y - ARROW - 2, size=TEXT, anchor='ld'),
            Label(aside, MARGIN, height - MARGIN // 2, size=TEXT, anchor='ld'),
        ],
    )
