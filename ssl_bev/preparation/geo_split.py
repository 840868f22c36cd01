"""Splits by place: no validation frame is close to a training frame.

In the official split of nuScenes, more than 80 % of the validation samples lie within 5 m of a training sample (arXiv
2312.06420), so a network can memorise the map instead of seeing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from ssl_bev.datasets.calibration import ego_position
from ssl_bev.datasets.windows import flatten_frames

_DIRECTIONS = 72


@dataclass(frozen=True)
class SceneTrack:
    """The positions of a scene.

    Args:
        token, name: of the scene.
        location: its map.
        xy: (F, 2) ego positions of its frames, metres in map coordinates.
    """

    token: str
    name: str
    location: str
    xy: np.ndarray


@dataclass(frozen=True)
class GeoSplit:
    """Scenes of a split by place, and those that are too close to both sides."""

    train: list[SceneTrack]
    val: list[SceneTrack]
    dropped: list[SceneTrack]


def scene_tracks(data_list: Sequence[dict]) -> list[SceneTrack]:
    """The tracks of the scenes of an info file: keyframes and the camera frames between them."""
    positions: dict[str, list] = {}
    scenes: dict[str, tuple[str, str]] = {}
    for frame in flatten_frames(data_list, with_sweeps=True):
        token = frame['scene_token']
        scenes.setdefault(token, (frame['scene_name'], frame['location']))
        positions.setdefault(token, []).append(ego_position(frame)[:2])
    return [SceneTrack(token, *scenes[token], np.array(xy)) for token, xy in positions.items()]


def near_fraction(tracks: Sequence[SceneTrack], others: Sequence[SceneTrack], distance: float) -> float:
    """The fraction of the frames of `tracks` that lie within a distance (metres) of a frame of `others`."""
    gaps = np.concatenate([_gaps(track, others) for track in tracks])
    return float((gaps <= distance).mean())


def split_by_place(tracks: Sequence[SceneTrack], distance: float, val_fraction: float = 0.2) -> GeoSplit:
    """Divide each map by a straight line, and drop the scenes that are closer than `distance` to the other side.

    The line is chosen from many directions and offsets. It minimises the sum of two fractions of the frames: the
    deviation from `val_fraction`, and the dropped frames.

    Args:
        distance: least distance of a validation frame from a training frame, metres.
        val_fraction: of the frames of each map, in (0, 1).

    Raises:
        ValueError: an argument out of range, or scenes that are too close together to be split.
    """
    if not distance > 0:
        raise ValueError(f'distance must be positive (metres), got {distance}')
    if not 0 < val_fraction < 1:
        raise ValueError(f'val_fraction must lie between 0 and 1, got {val_fraction}')
    split = GeoSplit([], [], [])
    for location in sorted({track.location for track in tracks}):
        _split_map([track for track in tracks if track.location == location], distance, val_fraction, split)
    for name in ('train', 'val'):
        if not getattr(split, name):
            raise ValueError(
                f'no scene is left for {name}: {len(tracks)} scenes cannot be split with {distance:g} m between; '
                'choose a smaller distance or another val_fraction'
            )
    return split


def _split_map(tracks: list[SceneTrack], distance: float, val_fraction: float, split: GeoSplit) -> None:
    frames = np.array([len(track.xy) for track in tracks])
    best, sides = np.inf, None
    for angle in 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS:
        along = [track.xy @ (np.cos(angle), np.sin(angle)) for track in tracks]
        low, high = np.array([a.min() for a in along]), np.array([a.max() for a in along])
        for border in np.sort(high):
            in_train, in_val = high <= border, low >= border + distance
            val, dropped = frames[in_val].sum(), frames[~in_train & ~in_val].sum()
            error = abs(val / frames.sum() - val_fraction) + dropped / frames.sum()
            if error < best - 1e-12:
                best, sides = error, (in_train, in_val)
    in_train, in_val = sides
    train = [track for track, chosen in zip(tracks, in_train, strict=True) if chosen]
    val = [track for track, chosen in zip(tracks, in_val, strict=True) if chosen]
    # Scenes beyond the line may still be far from those of the other side.
    for track, placed in zip(tracks, in_train | in_val, strict=True):
        if placed:
            continue
        if (_gaps(track, val) >= distance).all():
            train.append(track)
        elif (_gaps(track, train) >= distance).all():
            val.append(track)
        else:
            split.dropped.append(track)
    split.train.extend(train)
    split.val.extend(val)


def _gaps(track: SceneTrack, others: Sequence[SceneTrack]) -> np.ndarray:  # (F,)
    """Distance of each frame from the nearest frame of the others on the same map, metres."""
    points = [other.xy for other in others if other.location == track.location]
    if not points:
        return np.full(len(track.xy), np.inf)
    return KDTree(np.concatenate(points)).query(track.xy)[0]
