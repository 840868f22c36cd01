"""Pictures as a film."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from ssl_bev.visualization.canvas import blank


def write_video(
    pictures: Iterable[np.ndarray],  # (h, w, 3) uint8 BGR, of any sizes
    out: str | Path,
    fps: float,
) -> int:
    """Write an mp4, completely or not at all: H.264 if imageio-ffmpeg is installed, else MPEG-4 Part 2 by OpenCV.

    The first picture defines the size. Smaller ones get a margin, larger ones are reduced to it.

    Returns:
        The number of frames.

    Raises:
        ValueError: there is no picture, the name does not end in .mp4, or `fps` is not positive.
        OSError: the encoder does not work.
    """
    out = Path(out)
    if out.suffix != '.mp4':
        raise ValueError(f'out must end in .mp4, got {out}')
    if not fps > 0:
        raise ValueError(f'fps must be positive (frames a second), got {fps}')
    pictures = iter(pictures)
    first = next(pictures, None)
    if first is None:
        raise ValueError('pictures must have at least one, got none')
    size = tuple(side + side % 2 for side in first.shape[:2])  # encoders halve the resolution of colours
    frames = (_fit(picture, size) for picture in chain([first], pictures))
    encode = _encode_h264 if find_spec('imageio_ffmpeg') else _encode_mpeg4
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix='.video') as folder:
        temporary = Path(folder) / out.name
        count = encode(frames, temporary, fps, size)
        os.replace(temporary, out)
    return count


def _fit(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    scale = min(1.0, size[0] / picture.shape[0], size[1] / picture.shape[1])
    if scale < 1:
        shape = (int(picture.shape[1] * scale), int(picture.shape[0] * scale))
        picture = cv2.resize(picture, shape, interpolation=cv2.INTER_AREA)
    frame = blank(*size)
    frame[: picture.shape[0], : picture.shape[1]] = picture
    return frame


def _encode_h264(frames: Iterator[np.ndarray], path: Path, fps: float, size: tuple[int, int]) -> int:
    import imageio_ffmpeg

    writer = imageio_ffmpeg.write_frames(str(path), size[::-1], fps=fps, macro_block_size=2, pix_fmt_in='bgr24')
    writer.send(None)
    count = 0
    try:
        for frame in frames:
            writer.send(np.ascontiguousarray(frame))
            count += 1
    finally:
        writer.close()
    return count


def _encode_mpeg4(frames: Iterator[np.ndarray], path: Path, fps: float, size: tuple[int, int]) -> int:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), fps, size[::-1])
    if not writer.isOpened():
        raise OSError('OpenCV cannot write mp4 files here; install imageio-ffmpeg')
    count = 0
    try:
        for frame in frames:
            writer.write(frame)
            count += 1
    finally:
        writer.release()
    return count
