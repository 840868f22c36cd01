"""A loss for thin lines: the overlap of the centre lines of prediction and labels."""

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
    """Centre-line Dice of each class over the batch of all processes, 1 = the same lines, of any width.

    It is the harmonic mean of two fractions: of the skeleton of the prediction that lies in the labels, and of the
    skeleton of the labels that is predicted. A gap in a line costs as much as its length, even if it has few cells.

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
    """The centre lines: the sum of what each opening of the repeatedly eroded image removes."""
    skeleton = F.relu(image - _dilate(_erode(image)))
    for _ in range(iterations):
        image = _erode(image)
        lost = F.relu(image - _dilate(_erode(image)))
        skeleton = skeleton + F.relu(lost - skeleton * lost)
    return skeleton


def _erode(image: Tensor) -> Tensor:
    """The minimum of a cell and its four neighbours."""
    along = -F.max_pool2d(-image, (1, 3), 1, (0, 1))
    across = -F.max_pool2d(-image, (3, 1), 1, (1, 0))
    return torch.minimum(along, across)


def _dilate(image: Tensor) -> Tensor:
    return F.max_pool2d(image, 3, 1, 1)
