"""Links, poses and calibration of whole scenes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from ssl_bev.datasets.calibration import ego_position
from ssl_bev.datasets.cameras import all_cameras

from .calibration import ego_motion, frame_faults, frame_oddities
from .report import Report
from .settings import Settings

# Metres per second: above the speed of the nuScenes car, below that of a wrong pose.
_MAX_SPEED = 45.0


def all_frames(scene: Sequence[Mapping], with_sweeps: bool) -> list[Mapping]:
    """The keyframes of a scene, each followed by its sweeps if requested."""
    return [f for frame in scene for f in (frame, *(frame.get('sweeps', ()) if with_sweeps else ()))]


def check_drives(scenes: Sequence[Sequence[Mapping]], settings: Settings, report: Report) -> None:
    """Check links, poses and calibration of the frames of all scenes.

    Args:
        scenes: keyframes of each scene.
        settings: of the checks.
        report: gets the counts, errors and warnings.
    """
    ways: list[tuple[np.ndarray, np.ndarray]] = []
    _check_cameras([frame for scene in scenes for frame in all_frames(scene, settings.with_sweeps)], report)
    for scene in scenes:
        frames = all_frames(scene, settings.with_sweeps)
        report.count('sequences')
        for fault in _link_faults(scene):
            report.error('sequences', fault)
        odd: dict[tuple[str, str], str] = {}
        try:
            for fault in _drive_faults(frames):
                report.warn('sequences', fault)
            for frame, velocity in zip(frames, _velocities(frames), strict=True):
                faults = list(frame_faults(frame, velocity))
                for fault in faults:
                    report.error('calibration', f'frame {frame["token"]} of {frame["scene_name"]}: {fault}')
                report.count('calibration', len(frame['images']))
                odd.update({oddity: frame['token'] for oddity in frame_oddities(frame) if oddity not in odd})
                if velocity is not None and not faults:
                    ways += _ways(frame, velocity)
        except (KeyError, ValueError, TypeError) as error:
            report.error('calibration', f'{scene[0]["scene_name"]}: matrices or fields are missing: {error!r}')
        for (name, oddity), token in odd.items():  # once per scene: it is the same in all frames
            report.warn('calibration', f'frame {token} of {scene[0]["scene_name"]}: {name}: {oddity}')
    _check_motion(ways, report)


def _link_faults(frames: Sequence[Mapping]) -> Iterator[str]:
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


def _drive_faults(frames: Sequence[Mapping]) -> Iterator[str]:
    """Jumps of the ego pose between the frames of a scene, sweeps included."""
    for before, frame in pairwise(frames):
        distance = np.linalg.norm(ego_position(frame) - ego_position(before))
        seconds = frame['timestamp'] - before['timestamp']
        if seconds > 0 and distance > _MAX_SPEED * seconds + 1:
            yield (
                f'frame {frame["token"]} of {frame["scene_name"]}: the ego pose jumps {distance:.1f} m in '
                f'{seconds:.2f} s after frame {before["token"]}'
            )


def _velocities(frames: Sequence[Mapping]) -> list[np.ndarray | None]:
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


def _check_cameras(frames: Sequence[Mapping], report: Report) -> None:
    for name in all_cameras(frames):
        lacking = [frame['token'] for frame in frames if name not in frame['images']]
        if lacking:
            report.warn('calibration', f'{len(lacking)} of {len(frames)} frames lack {name}, such as {lacking[0]}')


def _ways(frame: Mapping, velocity: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for name, camera in frame['images'].items():
        if 'cam2ego' in camera and 'timestamp' in camera:
            motion, expected = ego_motion(frame, name, velocity)
            yield motion[:3, 3], expected


def _check_motion(ways: Sequence[tuple[np.ndarray, np.ndarray]], report: Report) -> None:
    """Over all frames, `lidar2cam` must contain the motion between the triggers; in one frame it is too short."""
    if not ways:
        return
    actual, expected = (np.array(part) for part in zip(*ways, strict=True))
    share = (actual * expected).sum() / max((expected**2).sum(), 1e-12)
    if (expected**2).sum() > 1 and share < 0.5:
        report.error(
            'calibration',
            f'lidar2cam holds {share:.0%} of the way that the car goes between the triggers of lidar and camera; it '
            'must go through the global frame, with the ego pose at the time of each sensor',
        )
