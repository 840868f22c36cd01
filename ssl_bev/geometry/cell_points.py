"""Points around a cell's centre at which labels are read."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

_SPACING = 0.15  # metres between points on the ground; paint is hardly narrower
_AROUND = 8  # points on the circle of a margin


@lru_cache(maxsize=16)
def cell_points(
    cell_size: float, radii: tuple[float | None, ...], margins: tuple[float | None, ...], device: torch.device
) -> tuple[Tensor, int, list[Tensor], list[Tensor]]:  # (S, 2), number, K times (S',), K times (S'',)
    """Points around a cell's centre, for classes that are areas and for classes that are lines.

    Args:
        cell_size: edge of a cell, metres.
        radii: for each of the K classes, the largest distance of paint from the centre, metres; None: the class is an
            area.
        margins: for each class, the radius of the circle on which its surroundings are read, metres; None: they are not
            read.
        device: of the result.

    Returns:
        (x, y) offsets from the centre; the number of offsets, the first ones, that are spread evenly over the cell; and
        for each class the points within its radius (all for an area) and those on the circle of its margin.
    """
    number = math.ceil(cell_size / _SPACING)
    along = ((torch.arange(number, device='cpu') + 0.5) / number - 0.5) * cell_size
    in_cell = torch.cartesian_prod(along, along)
    rings = [_ring(radius) for radius in sorted({radius for radius in radii if radius})]
    offsets = torch.cat([in_cell, *rings])
    distance = offsets.norm(dim=1)
    near = [distance <= (math.inf if radius is None else max(radius, distance[0]) + 1e-6) for radius in radii]
    circles = sorted({margin for margin in margins if margin is not None})
    first = {margin: len(offsets) + n * _AROUND for n, margin in enumerate(circles)}
    around = [
        torch.arange(_AROUND, device='cpu') + first[m] if m is not None else torch.arange(0, device='cpu')
        for m in margins
    ]
    offsets = torch.cat([offsets, *(margin * _directions(_AROUND) for margin in circles)])
    asked = [points.nonzero()[:, 0].to(device) for points in near]
    return offsets.to(device), len(in_cell), asked, [points.to(device) for points in around]


def _ring(radius: float) -> Tensor:  # (S, 2)
    """Points on a circle and on circles within it."""
    circles = math.ceil(radius / (2 * _SPACING))
    directions = _directions(8 * circles)
    return torch.cat([directions * radius * (circle + 1) / circles for circle in range(circles)])


def _directions(number: int) -> Tensor:  # (number, 2)
    angles = torch.arange(number, device='cpu') * (2 * math.pi / number)
    return torch.stack([angles.cos(), angles.sin()], -1)
