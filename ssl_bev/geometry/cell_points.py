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
        radii: of each of the K classes: how far from the centre its paint may lie, metres; None: it is an area.
        margins: of each class: how far around a look at its surroundings goes, metres; None: there is none.
        device: of the result.

    Returns:
        (x, y) offsets from the centre; how many of them, the first ones, are spread evenly over the cell; and for each
        class which points lie within its radius, of an area all, and which on the circle of its margin.
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
    on_device = [[points.to(device) for points in group] for group in ([n.nonzero()[:, 0] for n in near], around)]
    return offsets.to(device), len(in_cell), *on_device


def _ring(radius: float) -> Tensor:  # (S, 2)
    """Points on a circle and on circles within it."""
    circles = math.ceil(radius / (2 * _SPACING))
    directions = _directions(8 * circles)
    return torch.cat([directions * radius * (circle + 1) / circles for circle in range(circles)])


def _directions(number: int) -> Tensor:  # (number, 2)
    angles = torch.arange(number, device='cpu') * (2 * math.pi / number)
    return torch.stack([angles.cos(), angles.sin()], -1)
