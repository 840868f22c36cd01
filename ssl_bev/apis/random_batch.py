"""A batch of random data, to measure, count and export without a dataset."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ssl_bev.geometry import translation
from ssl_bev.models import BEVSegmentor
from ssl_bev.structures import BEVDataSample
from ssl_bev.targets import POSITIVE

_FOCAL_LENGTH = 0.79  # image widths, as in nuScenes
_HEIGHT = 1.5  # of the cameras, metres
_STEP = 2.0  # metres from frame to frame


def image_size(pipeline: Sequence[Mapping]) -> tuple[int, int]:
    """Height and width of the images that the pipeline of a config makes."""
    return tuple(next(step['size'] for step in pipeline if step['type'] == 'ResizeCropFlipImages'))


def random_batch(
    model: BEVSegmentor,
    image_size: tuple[int, int],
    num_frames: int = 1,
    batch_size: int = 1,
    num_cameras: int = 6,
    seed: int = 0,
) -> dict:
    """A batch for `model.train_step`, with random images and labels for every objective.

    Args:
        model: whose classes, grid and objectives the labels are for.
        image_size: height and width of the images, pixels.
        num_frames: of a window; the vehicle drives straight ahead.
        batch_size: samples.
        num_cameras: evenly distributed around the vehicle, the first looks ahead.
        seed: of the numbers.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int, high: int = 256) -> Tensor:
        return torch.randint(0, high, shape, dtype=torch.uint8, generator=generator)

    images, samples = [], []
    for number in range(batch_size):
        images.append(draw(num_frames, num_cameras, 3, *image_size))
        sample = _empty_sample(model, image_size, num_frames, num_cameras, f'random{number}')
        rows, columns = model.seg_head.grid.shape
        fine, coarse = len(model.seg_head.classes), len(model.seg_head.coarse_classes)
        sample.gt_bev_seg = draw(fine, rows, columns, high=2)
        labelled = min(num_frames, max([objective.num_frames for objective in model.objectives.values()], default=1))
        sample.pseudo_target = draw(labelled, num_cameras, coarse, *image_size, high=2) * POSITIVE
        sample.pseudo_confidence = draw(labelled, num_cameras, *image_size)
        for kind, classes in (('accumulated', coarse), ('completed', fine)):
            sample.set_field(draw(classes, rows, columns), f'{kind}_probability')
            sample.set_field(draw(classes, rows, columns), f'{kind}_weight')
        samples.append(sample)
    return dict(inputs=dict(img=images), data_samples=samples)


def ring_of_cameras(image_size: tuple[int, int], num_cameras: int) -> Tensor:  # (N, 4, 4)
    """`bev2img` of level pinhole cameras above the origin of the BEV frame, in evenly distributed directions."""
    height, width = image_size
    focal = _FOCAL_LENGTH * width
    intrinsics = torch.tensor([[focal, 0, width / 2, 0], [0, focal, height / 2, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    matrices = []
    for number in range(num_cameras):
        yaw = 2 * math.pi * number / num_cameras
        sin, cos = math.sin(yaw), math.cos(yaw)
        bev2cam = torch.tensor([[sin, -cos, 0, 0], [0, 0, -1, _HEIGHT], [cos, sin, 0, 0], [0, 0, 0, 1]])
        matrices.append(intrinsics @ bev2cam)
    return torch.stack(matrices)


def _empty_sample(
    model: BEVSegmentor, image_size: tuple[int, int], num_frames: int, num_cameras: int, token: str
) -> BEVDataSample:
    head, grid = model.seg_head, model.seg_head.grid
    sample = BEVDataSample(
        metainfo=dict(
            sample_token=token,
            scene_token=token,
            timestamps=[0.5 * frame for frame in range(num_frames)],
            img_shape=image_size,
            bev_classes=list(head.classes),
            pseudo_classes=list(head.coarse_classes),
            accumulated_classes=list(head.coarse_classes),
            completed_classes=list(head.classes),
            accumulated_grid=grid,
            completed_grid=grid,
            x_range=grid.x_range,
            y_range=grid.y_range,
            cell_size=grid.cell_size,
        )
    )
    sample.bev2img = ring_of_cameras(image_size, num_cameras).repeat(num_frames, 1, 1, 1)
    steps = _STEP * torch.arange(num_frames, dtype=torch.float64)
    sample.bev2global = translation(torch.stack([steps, torch.zeros_like(steps), torch.zeros_like(steps)], -1))
    sample.road2bev = torch.eye(4).repeat(num_frames, 1, 1)
    sample.frame_valid = torch.ones(num_frames, dtype=torch.bool)
    sample.camera_valid = torch.ones(num_frames, num_cameras, dtype=torch.bool)
    return sample
