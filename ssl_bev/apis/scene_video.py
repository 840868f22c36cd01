"""A scene as a video: the cameras, the predicted map and the BEV labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np
from torch import Tensor

from ssl_bev.structures import BEVDataSample
from ssl_bev.visualization import draw_sample
from ssl_bev.visualization.video import write_video


def write_scene_video(
    frames: Iterable[tuple[Tensor, BEVDataSample]],
    out: str | Path,
    fps: float | None = None,
) -> int:
    """Write an mp4 of the panels of a scene, with the time since its start above them.

    Args:
        frames: from `predict_scene`.
        out: the mp4.
        fps: frames per second; None: the rate of recording.

    Returns:
        The number of frames.

    Raises:
        ValueError: no frame, or as `write_video`.
    """
    frames = iter(frames)
    head = list(islice(frames, 2))
    if fps is None:
        times = [sample.timestamps[-1] for _, sample in head]
        fps = 1 / (times[1] - times[0]) if len(times) == 2 and times[1] > times[0] else 2.0
    return write_video(_panels(chain(head, frames)), out, fps)


def _panels(frames: Iterable[tuple[Tensor, BEVDataSample]]) -> Iterator[np.ndarray]:
    start = None
    for images, sample in frames:
        start = sample.timestamps[-1] if start is None else start
        since = f'{sample.timestamps[-1] - start:.1f} s'
        yield draw_sample(
            images, sample, title=f'{sample.get("scene_name") or ""}  {since}  {sample.sample_token}'.strip()
        )
