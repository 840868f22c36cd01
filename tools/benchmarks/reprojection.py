"""Measure the time of the reprojection head, against a single `F.grid_sample` and a warp by kornia, in one run.

python tools/benchmarks/reprojection.py     # with kornia: pip install -e .[benchmark]

The sizes are those of pretraining on nuScenes: six cameras, images of 450x800 with labels at stride 2, three classes on
120x240 cells, every pixel labelled. The single call samples the map at all pixels, at precomputed
positions. kornia warps the map into one camera after the other (and shows mirrored ground above the horizon; the loss
gets precomputed weights that leave it out). `ours` is `ReprojectionHead.compare`: it projects the cells, reads labels
with widened paint, and computes the loss. kornia and ours compute positions in each step, because in training every
step has its own augmentation. All include the backward pass to the map.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from measure import alternate, conditions, nuscenes_cameras
from mmdet3d.registry import MODELS
from torch import Tensor

from projects.SyntheticNuScenes.synthetic_nuscenes.calibration import CAMERAS
from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.geometry import (
    BEVGrid,
    ground_homography,
    pixel_grid,
    pixels_to_ground,
    reproject,
)
from ssl_bev.models import ReprojectionHead
from ssl_bev.targets import POSITIVE

GRID = BEVGrid((-30, 30), (-15, 15), 0.25)
IMAGE_SIZE, STRIDE = (450, 800), 2
LABEL_SIZE = (IMAGE_SIZE[0] // STRIDE, IMAGE_SIZE[1] // STRIDE)
CLASSES = ('drivable', 'marking', 'crosswalk')
NUM_CLASSES = len(CLASSES)
ROAD = torch.eye(4)[None]
LOSS = dict(type='SegmentationLoss', positive_weight=[1.0, 3.0, 2.0], dice_weight=0.5)


def bare_grid_sample(bev2img: Tensor) -> Callable[[Tensor], Tensor]:
    homography = ground_homography(bev2img, ROAD[0])
    xy = pixels_to_ground(pixel_grid(IMAGE_SIZE, STRIDE).flatten(0, 1), homography)[0]
    positions = GRID.normalize(xy).flatten(1, 2).unflatten(1, (-1, LABEL_SIZE[1]))
    return lambda logits: F.grid_sample(logits, positions, align_corners=False)


def kornia_warp(bev2img: Tensor) -> Callable[[Tensor], Tensor]:
    from kornia.geometry.transform import warp_perspective

    def read(logits: Tensor) -> Tensor:
        cells2bev = torch.linalg.inv(_integer_centers(GRID.cell_size, GRID.x_range[0], GRID.y_range[0]))
        pixels2labels = _integer_centers(STRIDE, 0, 0)
        homography = pixels2labels @ ground_homography(bev2img, ROAD[0]) @ cells2bev
        return torch.stack([warp_perspective(logits, camera[None], LABEL_SIZE) for camera in homography[0]], 2)

    return read


def _integer_centers(size: float, x: float, y: float) -> Tensor:  # (3, 3)
    """From metres or pixels to columns and rows whose centres are whole numbers, as kornia has them."""
    return torch.tensor([[1 / size, 0, -x / size - 0.5], [0, 1 / size, -y / size - 0.5], [0, 0, 1]])


def make_labels() -> tuple[Tensor, Tensor]:  # (1, N, K, h, w), (1, N, h, w)
    generator = torch.Generator().manual_seed(0)
    size = (1, len(CAMERAS), NUM_CLASSES, *LABEL_SIZE)
    target = torch.randint(0, 2, size, generator=generator, dtype=torch.uint8) * POSITIVE
    return target, torch.full((1, len(CAMERAS), *LABEL_SIZE), 255, dtype=torch.uint8)


def kornia_with_loss(bev2img: Tensor) -> Callable[[Tensor], Tensor]:
    read, loss, target = kornia_warp(bev2img), MODELS.build(LOSS), make_labels()[0].transpose(1, 2)
    weight = reproject(torch.zeros(1, 1, *GRID.shape), GRID, bev2img, ROAD, IMAGE_SIZE, STRIDE)[1][:, None]
    return lambda logits: loss(read(logits), target // POSITIVE, weight)


def ours_with_loss(bev2img: Tensor) -> Callable[[Tensor], Tensor]:
    head, labels = ReprojectionHead(LOSS, line_width=dict(marking=0.5)), make_labels()
    return lambda logits: head.compare(logits, GRID, bev2img, ROAD, IMAGE_SIZE, *labels, classes=CLASSES)


BARE = 'bare grid_sample'
READERS = {
    BARE: bare_grid_sample,
    'kornia': kornia_warp,
    'kornia, with the loss': kornia_with_loss,
    'ours, with the loss': ours_with_loss,
}


def build(name: str) -> Callable[[], dict[str, float]]:
    """The step of a contender, warmed up."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, NUM_CLASSES, *GRID.shape, generator=generator, requires_grad=True)
    read = READERS[name](nuscenes_cameras(*IMAGE_SIZE))
    upstream = torch.randn(read(logits).shape, generator=generator)

    def step() -> dict[str, float]:
        logits.grad = None
        started = time.perf_counter()
        read(logits).backward(upstream)
        return dict(forward_backward=time.perf_counter() - started)

    # As in training, where large blocks come and go: from then on malloc keeps smaller ones instead of unmapping them.
    torch.empty(30 * 2**20, dtype=torch.uint8)
    for _ in range(3):
        step()
    return step


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    parser = CommandParser(__doc__)
    parser.add_argument('--threads', type=int, default=torch.get_num_threads(), help="torch's threads")
    parser.add_argument('--repeats', type=int, default=30, help='number of turns')
    parser.add_argument('--out', type=Path, help='write the JSON to this file, too')
    args = parser.parse_args(arguments)
    names = list(READERS)
    if importlib.util.find_spec('kornia') is None:
        names = [name for name in names if not name.startswith('kornia')]
        print('kornia is not installed, so it is left out: pip install -e .[benchmark]', file=sys.stderr)

    measured = alternate({name: (build, (name,)) for name in names}, args.repeats, args.threads)
    result = dict(conditions=conditions(args.threads, args.repeats), results=[_row(name, measured) for name in names])
    text = json.dumps(result, indent=1)
    if args.out:
        args.out.write_text(text + '\n')
    print(text)


def _row(name: str, measured: dict) -> dict:
    figures = measured[name]
    row = dict(reader=name, **{key: round(value, 5) for key, value in figures.items()})
    bare, kornia = measured[BARE], measured.get(name.replace('ours', 'kornia'))
    for key, what in (('forward_backward', ''), ('cpu', '_by_processor_time')):
        if name != BARE:
            row[f'times_the_bare_call{what}'] = round(figures[key] / bare[key], 2)
        if name.startswith('ours') and kornia:
            row[f'times_faster_than_kornia{what}'] = round(kornia[key] / figures[key], 2)
    return row


if __name__ == '__main__':
    main()
