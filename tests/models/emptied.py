"""Samples in which something is missing, as it happens to single batches of a long training."""

import torch


def without_valid_pixels(sample):
    sample.pseudo_target[:] = 255
    sample.pseudo_confidence[:] = 0


def without_history(sample):
    sample.frame_valid[:-1] = False


def without_bev_labels(sample):
    sample.gt_bev_seg[:] = 255


def without_targets(sample):
    sample.accumulated_weight[:] = 0
    sample.completed_weight[:] = 0


def without_cameras(sample):
    """None is there, as far as pictures say: black, and so said."""
    sample.camera_valid = torch.zeros(sample.bev2img.shape[:2], dtype=torch.bool)


def without_a_cell_in_sight(sample):
    """Cameras that look into the sky."""
    sample.bev2img = torch.diag(torch.tensor([1.0, 1.0, -1.0, 1.0])) @ sample.bev2img


def without_anything(sample):
    for empty in KINDS[:-1]:
        empty(sample)


KINDS = [
    without_valid_pixels,
    without_history,
    without_bev_labels,
    without_targets,
    without_cameras,
    without_a_cell_in_sight,
    without_anything,
]
