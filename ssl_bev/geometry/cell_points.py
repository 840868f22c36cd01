"""Points around a cell's centre at which labels are read."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

_SPACING = 0.15  # metres between points on the ground; paint is hardly narrower
_AROUND = 8  # points on the circle of a margin


@lru_cache(maxsize=16)
def cell_points(
    cell_size: float, radii: tuple[float | None, ...], margins: tuple[float | None, ...], device: torch.device
) -> tuple[Tensor, int, list[slice], list[slice]]:  # (S, 2), number, K slices, K slices
    """Points around a cell's centre, for classes that are areas and for classes that are lines.

    The points are in such an order that those of each class follow each other.

    Args:
        cell_size: edge of a cell, metres.
        radii: for each of the K classes, the largest distance of paint from the centre, metres; None: the class is an
            area.
        margins: for each class, the radius of the circle on which its surroundings are read, metres; None: they are not
            read.
        device: of the result.

    Returns:
        (x, y) offsets from the centre; the number of offsets, the first ones, that are spread evenly over the cell; and
        for each class the points within its radius (those in the cell for an area) and those on the circle of its
        margin.
    """
    number = math.ceil(cell_size / _SPACING)
    along = ((torch.arange(number, device='cpu') + 0.5) / number - 0.5) * cell_size
    in_cell = torch.cartesian_prod(along, along)
    distance, order = in_cell.norm(dim=1).sort(descending=True, stable=True)  # next to the rings are the nearest
    lines = sorted({radius for radius in radii if radius})
    rings = [_ring(*reach) for reach in pairwise([0.0, *lines])]
    circles = sorted({margin for margin in margins if margin is not None})
    offsets = torch.cat([in_cell[order], *rings, *(margin * _directions(_AROUND) for margin in circles)])

    def within(radius: float | None) -> slice:
        if radius is None:
            return slice(0, len(in_cell))
        beyond = int((distance > max(radius, float(distance[-1])) + 1e-6).sum())
        return slice(beyond, len(in_cell) + sum(len(rings[i]) for i, line in enumerate(lines) if line <= radius))

    first = len(offsets) - _AROUND * len(circles)
    around = {margin: slice(first + n * _AROUND, first + (n + 1) * _AROUND) for n, margin in enumerate(circles)}
    return (
        offsets.to(device),
        len(in_cell),
        [within(radius) for radius in radii],
        [slice(0, 0) if margin is None else around[margin] for margin in margins],
    )


def _ring(inner: float, outer: float) -> Tensor:  # (S, 2)
    """Points on circles from one radius, where others are, to another; the largest one is its own."""
    circles = math.ceil((outer - inner) / (2 * _SPACING))
    directions = _directions(8 * math.ceil(outer / (2 * _SPACING)))
    return torch.cat([directions * (inner + (outer - inner) * (n + 1) / circles) for n in range(circles)])


def _directions(number: int) -> Tensor:  # (number, 2)
    angles = torch.arange(number, device='cpu') * (2 * math.pi / number)
    return torch.stack([angles.cos(), angles.sin()], -1)
