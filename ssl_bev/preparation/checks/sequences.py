"""Are the frames of a scene one drive?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from ssl_bev.datasets.calibration import ego_position

# Metres per second: above the speed of the nuScenes car, below that of a wrong pose.
_MAX_SPEED = 45.0


def all_frames(scene: Sequence[Mapping], with_sweeps: bool) -> list[Mapping]:
    """The keyframes of a scene, each followed by its sweeps if requested."""
    return [f for frame in scene for f in (frame, *(frame.get('sweeps', ()) if with_sweeps else ()))]


def link_faults(frames: Sequence[Mapping]) -> Iterator[str]:
    """Faults in order and links of the keyframes of a scene, given by frame index."""
    for position, frame in enumerate(frames):
        where = f'frame {frame["token"]} of {frame["scene_name"]}'
        if frame['frame_index'] != position:
            yield f'{where}: frame_index is {frame["frame_index"]}, expected {position}'
        neighbours = {
            'prev': frames[position - 1]['token'] if position else '',
            'next': frames[position + 1]['token'] if position + 1 < len(frames) else '',
        }
        for key, token in neighbours.items():
            if frame[key] != token:
                yield f'{where}: {key} is {frame[key]!r}, expected {token!r}'
        if frame['location'] != frames[0]['location']:
            yield f'{where}: location {frame["location"]!r} differs from {frames[0]["location"]!r} before it'
        end = frames[position + 1]['timestamp'] if position + 1 < len(frames) else np.inf
        times = [frame['timestamp'], *(sweep['timestamp'] for sweep in frame.get('sweeps', ())), end]
        if np.any(np.diff(times) <= 0):
            yield f'{where}: timestamps of the frame, its sweeps and the next frame do not increase'
        for sweep in frame.get('sweeps', ()):
            if sweep['prev'] != frame['token'] or sweep['next'] != frame['next']:
                yield f'{where}: sweep {sweep["token"]} is linked to {sweep["prev"]!r} and {sweep["next"]!r}'


def drive_faults(frames: Sequence[Mapping]) -> Iterator[str]:
    """Jumps of the ego pose between the frames of a scene, sweeps included."""
    for before, frame in pairwise(frames):
        distance = np.linalg.norm(ego_position(frame) - ego_position(before))
        seconds = frame['timestamp'] - before['timestamp']
        if seconds > 0 and distance > _MAX_SPEED * seconds + 1:
            yield (
                f'frame {frame["token"]} of {frame["scene_name"]}: the ego pose jumps {distance:.1f} m in '
                f'{seconds:.2f} s after frame {before["token"]}'
            )


def velocities(frames: Sequence[Mapping]) -> list[np.ndarray | None]:
    """The ego velocity at each frame of a scene, global, metres per second; None if there is only one frame.

    Args:
        frames: in order of time.
    """
    if len(frames) < 2:
        return [None] * len(frames)
    positions = np.array([ego_position(frame) for frame in frames])
    times = np.array([frame['timestamp'] for frame in frames])
    before = np.maximum(np.arange(len(frames)) - 1, 0)
    after = np.minimum(before + 1 + (np.arange(len(frames)) > 0), len(frames) - 1)
    with np.errstate(all='ignore'):
        values = (positions[after] - positions[before]) / (times[after] - times[before])[:, None]
    return [value if np.isfinite(value).all() else None for value in values]
