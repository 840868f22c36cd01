"""Former argument names: an old config gets an error that says what to change."""

from __future__ import annotations

from collections.abc import Mapping

_MOVED = dict(
    BEVSegmentor=dict(
        reprojection_head="objectives=dict(reprojection=dict(type='ReprojectionHead', ...))",
        temporal_loss="objectives=dict(temporal=dict(type='TemporalConsistencyLoss', ...))",
        perspective_head="objectives=dict(perspective=dict(type='PerspectiveHead', ...))",
        accumulated_loss="objectives=dict(accumulated=dict(type='TargetMapLoss', loss=...))",
        self_loss="objectives=dict(completed=dict(type='TargetMapLoss', kind='completed', loss=...))",
        completed_loss="objectives=dict(completed=dict(type='TargetMapLoss', kind='completed', loss=...))",
        reproject_frames='num_frames of each objective',
        neighbour_weight='neighbour_weight of ReprojectionHead',
    ),
    BEVSegHead=dict(loss="objectives=dict(seg=dict(type='BEVLabelLoss', loss=...)) of the model"),
)


def refuse_moved(component: object, arguments: Mapping[str, object]) -> None:
    """Refuse arguments that a component does not have.

    Raises:
        ValueError: for a former argument, with its replacement.
        TypeError: for an argument that never existed.
    """
    kind = type(component).__name__
    for name in arguments:
        if name in _MOVED.get(kind, {}):
            raise ValueError(f'{kind} has no argument {name} any more; use {_MOVED[kind][name]}')
        raise TypeError(f'{kind} has no argument {name!r}')
