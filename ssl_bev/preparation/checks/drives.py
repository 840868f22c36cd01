"""Links, poses and calibration of whole scenes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ssl_bev.datasets.cameras import all_cameras

from .calibration import ego_motion, frame_faults, frame_oddities
from .report import Report
from .sequences import all_frames, drive_faults, link_faults, velocities
from .settings import Settings


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
        for fault in link_faults(scene):
            report.error('sequences', fault)
        odd: dict[tuple[str, str], str] = {}
        try:
            for fault in drive_faults(frames):
                report.warn('sequences', fault)
            for frame, velocity in zip(frames, velocities(frames), strict=True):
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
