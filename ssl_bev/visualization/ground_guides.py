"""The calibration drawn into a camera image: a grid on the ground, the horizon, and the axes of the vehicle."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ssl_bev.geometry import Road, ground_lift, lift_to_road
from ssl_bev.geometry.projection import MIN_DEPTH
from ssl_bev.visualization.canvas import Label, write

GRID, GRID_TENS, HORIZON = (120, 230, 255), (0, 150, 255), (255, 220, 60)
AXES = {'x forward': (60, 60, 255), 'y left': (60, 200, 60), 'z up': (255, 100, 60)}
STEP, REACH = 5.0, 40.0  # metres between lines, and their extent from the camera
_SAMPLE = 0.25  # metres between points of a line
_AXIS = 2.0  # metres
# Candidate distances of the axes from the camera in metres; the first one well inside the image is used.
_DISTANCES = (4.0, 6.0, 8.0, 10.0, 13.0, 17.0, 22.0)


def draw_ground_guides(
    image: np.ndarray,  # (h, w, 3) BGR
    bev2img: Tensor,  # (4, 4)
    road: Road | Tensor,  # of one frame, or road2bev (4, 4)
) -> np.ndarray:  # (h, w, 3) BGR
    """Draw a grid of 5 m on the ground (every second line stronger), the horizon, and the axes on the road.

    Convention: the BEV frame is the ego frame. The axes are 2 m long and point forward (red), left (green) and up
    (blue) of the vehicle; they are in front of the camera, since cameras hardly see the origin.
    """
    road, bev2img = Road.of(road).to(bev2img.double()), bev2img.double()
    position = -torch.linalg.solve(bev2img[:3, :3], bev2img[:3, 3])
    lines = image.copy()
    _draw_grid(lines, bev2img, road, position[:2])
    picture = cv2.addWeighted(lines, 0.75, image, 0.25, 0)
    _draw_horizon(picture, bev2img, road)
    _draw_axes(picture, bev2img, road, position[:2])
    return picture


def horizon_line(bev2img: Tensor, road2bev: Tensor) -> Tensor:  # (4, 4), (4, 4) -> (3,)
    """The line a u + b v + c = 0 of pixels whose rays never meet the plane of the road."""
    directions = (bev2img[:3] @ ground_lift(road2bev))[:, :2]  # vanishing points of x and y of the ground
    return torch.linalg.cross(directions[:, 0], directions[:, 1])


def _draw_grid(picture: np.ndarray, bev2img: Tensor, road: Road, center: Tensor) -> None:
    low, high = (torch.round(center / STEP) * STEP + sign * REACH for sign in (-1, 1))
    for axis in (0, 1):
        along = torch.arange(float(low[1 - axis]), float(high[1 - axis]), _SAMPLE, dtype=torch.float64)
        for value in torch.arange(float(low[axis]), float(high[axis]) + STEP, STEP).tolist():
            xy = torch.stack([torch.full_like(along, value), along], -1)
            xy = xy if axis == 0 else xy.flip(-1)
            near = (xy - center).norm(dim=-1) < REACH
            is_strong = value % (2 * STEP) == 0
            _draw_path(picture, bev2img, lift_to_road(xy, road), near, GRID_TENS if is_strong else GRID, 1 + is_strong)
    labels = []
    for distance in (10, 20, 30):
        for x, y, text in (
            (distance, 0, 'ahead'),
            (-distance, 0, 'behind'),
            (0, distance, 'left'),
            (0, -distance, 'right'),
        ):
            pixel = _visible_pixel(picture, bev2img, lift_to_road(torch.tensor([[x, y]], dtype=torch.float64), road)[0])
            if pixel is not None:
                labels.append(
                    Label(f'{distance} m {text}', *pixel, size=13, colour=(255, 255, 255), anchor='mb', bold=True)
                )
    write(picture, labels)


def _draw_path(picture: np.ndarray, bev2img: Tensor, points: Tensor, drawn: Tensor, colour: tuple, width: int) -> None:
    """Connect points by straight lines where both ends are in front of the camera and to be drawn."""
    homogeneous = points @ bev2img[:3, :3].mT + bev2img[:3, 3]
    depth = homogeneous[:, 2]
    drawn = drawn & (depth > MIN_DEPTH)
    pixels = homogeneous[:, :2] / depth.clamp(min=MIN_DEPTH)[:, None] - 0.5
    drawn = (drawn & (pixels.abs() < 1e5).all(-1)).numpy()
    ends = np.flatnonzero(drawn[:-1] & drawn[1:])
    fixed = np.rint(pixels.numpy() * 16).astype(np.int64)
    for i in ends:
        cv2.line(picture, fixed[i].tolist(), fixed[i + 1].tolist(), colour, width, cv2.LINE_AA, shift=4)


def _draw_horizon(picture: np.ndarray, bev2img: Tensor, road: Road) -> None:
    a, b, c = horizon_line(bev2img, road.road2bev).tolist()
    height, width = picture.shape[:2]
    if abs(b) * width > abs(a) * height:
        ends = [(u, -(a * u + c) / b) for u in (0.0, float(width))]
    elif a:
        ends = [(-(b * v + c) / a, v) for v in (0.0, float(height))]
    else:
        return
    ends = np.rint((np.array(ends) - 0.5) * 16).clip(-(2**30), 2**30).astype(np.int64)
    cv2.line(picture, ends[0].tolist(), ends[1].tolist(), HORIZON, 2, cv2.LINE_AA, shift=4)


def _draw_axes(picture: np.ndarray, bev2img: Tensor, road: Road, position: Tensor) -> None:
    look = torch.linalg.solve(
        bev2img[:3, :3], torch.tensor([picture.shape[1] / 2, picture.shape[0] / 2, 1.0]).double()
    )[:2]
    look = look / look.norm().clamp(min=1e-9)
    for distance in _DISTANCES:
        origin = lift_to_road((position + distance * look)[None], road)[0]
        start = _visible_pixel(picture, bev2img, origin, margin=0.1)
        if start is not None:
            break
    else:
        return
    labels = []
    for (name, colour), direction in zip(AXES.items(), torch.eye(3, dtype=torch.float64), strict=True):
        end = _visible_pixel(picture, bev2img, origin + _AXIS * direction, margin=-1)
        if end is None:
            continue
        first, last = (tuple(round(16 * (value - 0.5)) for value in pixel) for pixel in (start, end))
        cv2.arrowedLine(picture, first, last, colour, 3, cv2.LINE_AA, shift=4, tipLength=0.2)
        labels.append(Label(name, *end, size=14, colour=colour, anchor='mb', bold=True))
    write(picture, labels)


def _visible_pixel(picture: np.ndarray, bev2img: Tensor, point: Tensor, margin: float = 0.0) -> tuple | None:
    """The position of a point in an image, if it is in front of the camera and this fraction inside of the border."""
    u, v, depth = (bev2img[:3, :3] @ point + bev2img[:3, 3]).tolist()
    if depth <= MIN_DEPTH:
        return None
    height, width = picture.shape[:2]
    u, v = u / depth, v / depth
    is_inside = margin * width <= u <= (1 - margin) * width and margin * height <= v <= (1 - margin) * height
    return (u, v) if is_inside else None
