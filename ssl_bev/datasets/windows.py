"""From the frames of an info file to windows of T frames of one scene."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

# Seconds; nuScenes' keyframes are 0.5 s apart. The world moves on, and drivers turn off.
MAX_TIME_GAP = 2.0
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


def segment_frames(frames: Sequence[Mapping], max_time_gap: float) -> list[int]:
    """Number the stretches of one scene in which time goes on without a gap; frames that name no scene stand alone.

    Args:
        frames: in the order of `flatten_frames`.
        max_time_gap: seconds between two frames beyond which the later one has no history. Time that does not go
            forward ends the history, too.
    """
    numbers: list[int] = []
    for before, frame in zip([None, *frames], frames, strict=False):
        goes_on = (
            before is not None
            and 'scene_token' in frame
            and frame['scene_token'] == before.get('scene_token')
            and 0 < frame['timestamp'] - before['timestamp'] <= max_time_gap
        )
        numbers.append(numbers[-1] if goes_on else len(numbers))
    return numbers


def scene_windows(segments: Sequence[Hashable], num_frames: int, stride: int) -> list[tuple[list[int], list[bool]]]:
    """One window per frame, its last: positions of its frames, oldest first, and which of them are true history.

    A window that reaches beyond its segment's first frame repeats that frame, marked False.

    Args:
        segments: what each frame belongs to, frames of a segment together; see `segment_frames`.
        num_frames: frames of a window.
        stride: step between them, in frames.
    """
    windows = []
    start = 0
    for position, segment in enumerate(segments):
        if position and segment != segments[position - 1]:
            start = position
        wanted = [position - stride * back for back in reversed(range(num_frames))]
        windows.append(([max(w, start) for w in wanted], [w >= start for w in wanted]))
    return windows


def _slim(frame: Mapping, is_keyframe: bool) -> dict:
    slim = {key: value for key, value in frame.items() if key not in _DROPPED_KEYS}
    slim.setdefault('is_keyframe', is_keyframe)
    return slim
