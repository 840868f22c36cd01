"""From the frames of an info file to windows of T frames of one scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

# Seconds; nuScenes' keyframes are 0.5 s apart. The scene changes in a longer gap.
MAX_TIME_GAP = 2.0
# Boxes and lidar sweeps are most of a stock info file, and nothing here reads them.
_DROPPED_KEYS = ('instances', 'cam_instances', 'cam_sweep_instances', 'lidar_sweeps', 'image_sweeps', 'sweeps')


def flatten_frames(data_list: Sequence[Mapping], with_sweeps: bool) -> list[dict]:
    """The frames in order of time within their scenes, each keyframe followed by its sweeps if requested.

    Frames of a stock info file, which name no scene, become scenes of one frame.
    """
    scene_order: dict[str, int] = {}
    keyframes = []
    for position, frame in enumerate(data_list):
        scene = frame.get('scene_token', f'frame-{position}')
        keyframes.append((scene_order.setdefault(scene, len(scene_order)), frame.get('frame_index', 0), position))
    frames = []
    for _, _, position in sorted(keyframes):
        keyframe = data_list[position]
        frames.append(_slim(keyframe, is_keyframe=True))
        if with_sweeps:
            frames.extend(_slim(sweep, is_keyframe=False) for sweep in keyframe.get('sweeps', ()))
    return frames


def segment_starts(
    scenes: np.ndarray,  # (F,)
    timestamps: np.ndarray,  # (F,), seconds
    max_time_gap: float,
) -> np.ndarray:  # (F,)
    """For each frame, the first frame of its segment: consecutive frames of one scene without a gap in time.

    Args:
        scenes: index of the scene of each frame; below 0 if a frame names none and is alone.
        timestamps: of the frames, in the order of `flatten_frames`.
        max_time_gap: seconds between two frames beyond which the later one has no history. Time that does not increase
            also ends the history.
    """
    gaps = np.diff(timestamps)
    starts = np.arange(len(scenes))
    starts[1:][(scenes[1:] == scenes[:-1]) & (scenes[1:] >= 0) & (gaps > 0) & (gaps <= max_time_gap)] = 0
    return np.maximum.accumulate(starts)


def scene_windows(
    starts: np.ndarray,  # (F,)
    num_frames: int,
    stride: int,
) -> tuple[np.ndarray, np.ndarray]:  # (F, T) positions, (F, T) bool
    """One window per frame, its last: positions of its frames, oldest first, and which of them are true history.

    A window that extends beyond the first frame of its segment repeats this frame, marked False.

    Args:
        starts: the first frame of each frame's segment, see `segment_starts`.
        num_frames: T, frames of a window.
        stride: step between them, in frames.
    """
    wanted = np.arange(len(starts))[:, None] - stride * np.arange(num_frames)[::-1]
    return np.maximum(wanted, starts[:, None]), wanted >= starts[:, None]


def _slim(frame: Mapping, is_keyframe: bool) -> dict:
    slim = {key: value for key, value in frame.items() if key not in _DROPPED_KEYS}
    slim.setdefault('is_keyframe', is_keyframe)
    return slim
