"""Which loss reads which map, and which labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from ssl_bev.structures import BEVDataSample, CameraRig

from .supervision import stack_accumulated_targets, stack_bev_labels, stack_pseudo_labels

if TYPE_CHECKING:
    from .bev_segmentor import BEVSegmentor

# The module that each loss needs.
LOSSES = dict(
    loss_seg='seg_head',
    loss_reprojection='reprojection_head',
    loss_temporal='temporal_loss',
    loss_perspective='perspective_head',
    loss_accumulated='accumulated_loss',
    loss_completed='completed_loss',
)
# Names that configs may still have.
RENAMED = dict(loss_self='loss_completed')
# Those that train the current frame alone.
CURRENT_FRAME = ('loss_seg', 'loss_accumulated', 'loss_completed')
# Those that need no BEV map.
IMAGE_PLANE = ('loss_perspective',)


class Frame(NamedTuple):
    """What the model made of one frame of the window."""

    t: int
    rig: CameraRig
    features: list[Tensor]  # levels of (B, N, C, h, w)
    logits: dict[str, Tensor]  # 'fine': (B, K, H, W), 'coarse': (B, K', H, W)


def loss_terms(
    model: BEVSegmentor,
    frames: Sequence[Frame],
    rig: CameraRig,
    data_samples: list[BEVDataSample],
    padded_size: tuple[int, int],
) -> Iterator[tuple[str, list[Tensor]]]:
    """Each loss that has a weight, with its terms.

    Args:
        model: whose heads and losses they are.
        frames: the window's last ones, which are trained.
        rig: of the whole windows.
        data_samples: with the labels.
        padded_size: height and width that the image features cover.
    """
    weights, head = model.loss_weights, model.seg_head
    if weights['loss_seg']:
        logits = frames[-1].logits['fine']
        yield 'loss_seg', [head.loss(logits, stack_bev_labels(data_samples, head.classes, head.grid, logits.device))]
    if weights['loss_accumulated']:
        targets = stack_accumulated_targets(data_samples, head.coarse_classes, head.grid)
        yield 'loss_accumulated', [model.accumulated_loss(frames[-1].logits['coarse'], *targets)]
    if weights['loss_completed']:
        targets = stack_accumulated_targets(data_samples, head.classes, head.grid, 'completed')
        yield 'loss_completed', [model.completed_loss(frames[-1].logits['fine'], *targets)]
    if weights['loss_reprojection'] or weights['loss_perspective']:
        pseudo_labels = stack_pseudo_labels(data_samples, head.coarse_classes)
    if weights['loss_reprojection']:
        yield 'loss_reprojection', [_reprojection(model, frame, rig, *pseudo_labels) for frame in frames]
    if weights['loss_perspective']:
        sizes = (rig.image_size, padded_size)
        terms = []
        for f in frames:
            target, confidence = (labels[:, f.t] for labels in pseudo_labels)
            confidence = confidence * f.rig.camera_valid[..., None, None]  # no picture, nothing to learn from it
            terms.append(model.perspective_head.loss(f.features, *sizes, target, confidence, f.rig.frame_valid))
        yield 'loss_perspective', terms
    if weights['loss_temporal'] and len(frames) > 1:
        terms = []
        for earlier, current in pairwise(frames):
            motion = rig.target2source(current.t, earlier.t)
            seen = [f.rig.observed(head.grid) for f in (current, earlier)]
            maps = [f.logits['coarse'] for f in (current, earlier)]
            terms.append(model.temporal_loss(*maps, head.grid, motion, *seen, earlier.rig.frame_valid))
        yield 'loss_temporal', terms


def _reprojection(model: BEVSegmentor, frame: Frame, rig: CameraRig, target: Tensor, confidence: Tensor) -> Tensor:
    """One frame's map in its own cameras and, where they have a weight, in those of the window's other frames."""
    total, count = 0.0, 0.0
    for t in range(rig.num_frames):
        weight = 1.0 if t == frame.t else model.neighbour_weight
        if not weight:
            continue
        other = rig.frame(t)
        bev2img = other.bev2img if t == frame.t else rig.bev2img_of(t, frame.t)
        geometry = (model.seg_head.grid, bev2img, frame.rig.road2bev, rig.image_size)
        valid = frame.rig.frame_valid & other.frame_valid
        labels = (target[:, t], confidence[:, t], valid)
        total = total + weight * model.reprojection_head.loss(frame.logits['coarse'], *geometry, *labels)
        count += weight
    return total / count
