"""The label of a cell from the labels at points around it: an area, a line, or the edge of an area."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ssl_bev.targets import POSITIVE, known


class ReadingRule(NamedTuple):
    """How a class is read from the labels."""

    plane: int  # of the labels
    radius: float | None  # of the points around a cell's centre, metres; None: those in the cell
    read: Callable[[Tensor], tuple[Tensor, Tensor]]  # labels (S, V) -> probability (V,), known share (V,)
    inside: int | None = None  # plane of the area in which a line must lie, its edge left out
    margin: float | None = None  # how wide that edge is, metres


def reading_rules(
    classes: Sequence[str] | int,
    line_width: Mapping[str, float] | None = None,
    edges: Mapping[str, str] | None = None,
    paint_width: float = 0.12,
    inside: Mapping[str, str] | None = None,
    edge_margin: float = 1.0,
) -> list[ReadingRule]:
    """The rule of each class, in their order.

    Args:
        classes: those of the map; or a number of areas without names.
        line_width: class -> its width in the map, metres; other classes are areas.
        edges: class without labels of its own -> the class whose edge it is.
        paint_width: width of paint on the road, metres.
        inside: line -> the area in which it must lie, at least `edge_margin` metres from what is known not to be that
            area.

    Raises:
        ValueError: a name that is not among the classes, an edge without width, an edge of an edge, or a line without
            width that must lie inside of an area.
    """
    line_width, edges, inside = line_width or {}, edges or {}, inside or {}
    if isinstance(classes, int):
        classes = [str(plane) for plane in range(classes)]
    planes = [name for name in classes if name not in edges]
    if without := sorted(set(inside).intersection(planes).difference(line_width)):
        raise ValueError(f'inside is for lines: line_width must name {without}')
    for argument, names, allowed in (
        ('line_width', line_width, classes),
        ('edges', edges, classes),
        ('edges', edges.values(), planes),  # the edge of an edge is nothing
        ('inside', inside, [name for name in planes if name in line_width]),
        ('inside', inside.values(), planes),
    ):
        if unknown := sorted(set(names).difference(allowed)):
            raise ValueError(f'{argument} names {unknown}, which are not among {tuple(allowed)}')
    if without := sorted(set(edges) - set(line_width)):
        raise ValueError(f'edges are lines: line_width must name {without}')
    rules = []
    for name in classes:
        if name in edges:  # an edge has no width of its own
            rules.append(ReadingRule(planes.index(edges[name]), line_width[name] / 2, edge_in_cells))
        elif name in line_width:
            radius = max(line_width[name] - paint_width, 0.0) / 2
            around = (planes.index(inside[name]), edge_margin) if name in inside else ()
            rules.append(ReadingRule(planes.index(name), radius, line_in_cells, *around))
        else:
            rules.append(ReadingRule(planes.index(name), None, area_in_cells))
    return rules


# Labels of one point of all cells lie side by side, and stay bytes as long as possible: that is what makes these fast.
def area_in_cells(
    labels: Tensor,  # (S, V) uint8, 0 ... 254 or 255 = ignore
) -> tuple[Tensor, Tensor]:  # (V,), (V,)
    """An area covers a fraction of the known points."""
    is_known = known(labels)
    certain = is_known.float().mean(0)
    share = torch.where(is_known, labels, 0).float().mean(0) / POSITIVE
    return share / certain.clamp(min=1e-6), certain


def line_in_cells(
    labels: Tensor,  # (S, V) uint8, 0 ... 254 or 255 = ignore
) -> tuple[Tensor, Tensor]:  # (V,), (V,)
    """A line is present if one of the points has it; then it is known, whatever the other points are."""
    is_known = known(labels)
    share = torch.where(is_known, labels, 0).amax(0).float() / POSITIVE
    return share, torch.maximum(is_known.float().mean(0), share)


def edge_in_cells(
    labels: Tensor,  # (S, V) uint8, 0 ... 254 or 255 = ignore
) -> tuple[Tensor, Tensor]:  # (V,), (V,)
    """The edge of an area is present if one point is in the area and another one outside of it.

    If a vehicle hides some of the points, the edge is known only if it is found among the others.
    """
    is_known = known(labels)
    inside, outside = (torch.where(is_known, share, 0).amax(0) for share in (labels, POSITIVE - labels))
    edge = torch.minimum(inside, outside).float() / POSITIVE
    return edge, torch.maximum(is_known.all(0).float(), edge)


def lies_inside(
    labels: Tensor,  # (S, V) uint8, 0 ... 254 or 255 = ignore, on a circle around each cell
) -> Tensor:  # (V,)
    """How far no point is known to lie outside of an area."""
    return labels.amin(0).clamp(max=POSITIVE).float() / POSITIVE
