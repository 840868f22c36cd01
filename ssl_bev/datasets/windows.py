"""From the frames of an info file to windows of T frames of one scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Boxes and lidar sweeps are most of a stock info file, and nothing here reads them.
_DROPPED_KEYS = ('instances', 'cam_instances', 'cam_sweep_instances', 'lidar_sweeps', 'image_sweeps', 'sweeps')


def flatten_frames(data_list: Sequence[Mapping], with_sweeps: bool) -> list[dict]:
    """The frames in the order of time within their scenes, each keyframe followed by its sweeps if wanted.

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


def scene_windows(scene_tokens: Sequence[str], num_frames: int, stride: int) -> list[tuple[list[int], list[bool]]]:
    """One window per frame, its last: positions of its frames, oldest first, and which of them are true history.

    A window that reaches beyond its scene's first frame repeats that frame, marked False.

    Args:
        scene_tokens: the scene of each frame, frames of a scene together.
        num_frames: frames of a window.
        stride: step between them, in frames.
    """
    windows = []
    start = 0
    for position, token in enumerate(scene_tokens):
        if position and token != scene_tokens[position - 1]:
            start = position
        wanted = [position - stride * back for back in reversed(range(num_frames))]
        windows.append(([max(w, start) for w in wanted], [w >= start for w in wanted]))
    return windows


def _slim(frame: Mapping, is_keyframe: bool) -> dict:
    slim = {key: value for key, value in frame.items() if key not in _DROPPED_KEYS}
    slim.setdefault('is_keyframe', is_keyframe)
    return slim
