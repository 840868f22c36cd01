"""Names of before, so that an old config says what to change."""

from __future__ import annotations

from collections.abc import Mapping

_MOVED = dict(
    reprojection_head="objectives=dict(reprojection=dict(type='ReprojectionHead', ...))",
    temporal_loss="objectives=dict(temporal=dict(type='TemporalConsistencyLoss', ...))",
    perspective_head="objectives=dict(perspective=dict(type='PerspectiveHead', ...))",
    accumulated_loss="objectives=dict(accumulated=dict(type='TargetMapLoss', loss=...))",
    self_loss="objectives=dict(completed=dict(type='TargetMapLoss', kind='completed', loss=...))",
    completed_loss="objectives=dict(completed=dict(type='TargetMapLoss', kind='completed', loss=...))",
    reproject_frames='num_frames of each objective',
    neighbour_weight='neighbour_weight of ReprojectionHead',
)


def refuse_moved(arguments: Mapping[str, object]) -> None:
    """Refuse arguments that `BEVSegmentor` does not have.

    Raises:
        ValueError: naming what took the place of an argument of before.
        TypeError: an argument that there never was.
    """
    for name in arguments:
        if name in _MOVED:
            raise ValueError(f'BEVSegmentor has no argument {name} any more; use {_MOVED[name]}')
        raise TypeError(f'BEVSegmentor has no argument {name!r}')
