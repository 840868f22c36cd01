"""Points around a cell's centre at which labels are read."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

_SPACING = 0.15  # metres between points on the ground; paint is hardly narrower


@lru_cache(maxsize=16)
def cell_points(
    cell_size: float, radii: tuple[float | None, ...], device: torch.device
) -> tuple[Tensor, int, list[Tensor]]:  # (S, 2), number, K times (S',)
    """Points around a cell's centre, for classes that are areas and for classes that are lines.

    Args:
        cell_size: edge of a cell, metres.
        radii: for each of the K classes, the largest distance of paint from the centre, metres; None: the class is an
            area.
        device: of the result.

    Returns:
        (x, y) offsets from the centre; the number of offsets, the first ones, that are spread evenly over the cell; and
        for each class the points within its radius (all for an area).
    """
    number = math.ceil(cell_size / _SPACING)
    along = ((torch.arange(number, device='cpu') + 0.5) / number - 0.5) * cell_size
    in_cell = torch.cartesian_prod(along, along)
    rings = [_ring(radius) for radius in sorted({radius for radius in radii if radius})]
    offsets = torch.cat([in_cell, *rings])
    distance = offsets.norm(dim=1)
    near = [distance <= (math.inf if radius is None else max(radius, distance[0]) + 1e-6) for radius in radii]
    return offsets.to(device), len(in_cell), [n.nonzero()[:, 0].to(device) for n in near]


def _ring(radius: float) -> Tensor:  # (S, 2)
    """Points on a circle and on circles within it."""
    circles = math.ceil(radius / (2 * _SPACING))
    angles = torch.arange(8 * circles, device='cpu') * (math.pi / (4 * circles))
    directions = torch.stack([angles.cos(), angles.sin()], -1)
    return torch.cat([directions * radius * (circle + 1) / circles for circle in range(circles)])
