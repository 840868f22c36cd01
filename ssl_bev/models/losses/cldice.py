"""A loss for thin lines: do the centre lines of prediction and truth lie inside one another?"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .reduction import sum_over_processes


def soft_cldice(
    probability: Tensor,  # (B, K, H, W), 0 ... 1
    truth: Tensor,  # (B, K, H, W), 0 ... 1
    iterations: int = 3,
) -> Tensor:  # (K,)
    """Centre-line Dice of each class over the batch of all processes, 1 = the lines are the same, whatever their width.

    The harmonic mean of how much of the prediction's skeleton lies in the truth and how much of the truth's skeleton
    is predicted. A gap in a line costs as much as its length, however few cells it has.

    Args:
        probability: predicted.
        truth: labels.
        iterations: erosions of the skeleton; half the width of the widest line, in cells, is enough.

    Source: Shit et al., "clDice - a Novel Topology-Preserving Loss Function for Tubular Structure Segmentation",
    CVPR 2021.
    """
    predicted_line, true_line = soft_skeleton(probability, iterations), soft_skeleton(truth, iterations)
    parts = [predicted_line * truth, predicted_line, true_line * probability, true_line]
    in_truth, predicted, found, true = sum_over_processes(torch.stack([part.sum((0, 2, 3)) for part in parts]))
    tiny = torch.finfo(probability.dtype).tiny
    precision, sensitivity = in_truth / predicted.clamp(min=tiny), found / true.clamp(min=tiny)
    return 2 * precision * sensitivity / (precision + sensitivity).clamp(min=tiny)


def soft_skeleton(
    image: Tensor,  # (B, K, H, W), 0 ... 1
    iterations: int,
) -> Tensor:  # (B, K, H, W)
    """What each opening of the ever more eroded image loses, added up: its centre lines."""
    skeleton = F.relu(image - _dilate(_erode(image)))
    for _ in range(iterations):
        image = _erode(image)
        lost = F.relu(image - _dilate(_erode(image)))
        skeleton = skeleton + F.relu(lost - skeleton * lost)
    return skeleton


def _erode(image: Tensor) -> Tensor:
    """The least of a cell and its four neighbours."""
    along = -F.max_pool2d(-image, (1, 3), 1, (0, 1))
    across = -F.max_pool2d(-image, (3, 1), 1, (1, 0))
    return torch.minimum(along, across)


def _dilate(image: Tensor) -> Tensor:
    return F.max_pool2d(image, 3, 1, 1)
