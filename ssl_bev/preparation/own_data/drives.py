"""What drives files say, checked and in this project's conventions (docs/conventions.md)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np


class Camera(NamedTuple):
    """A camera of a rig: size and intrinsics of its images, which are not distorted, its place, and its lens."""

    size: tuple[int, int]  # height, width
    cam2img: np.ndarray  # (3, 3)
    cam2ego: np.ndarray  # (4, 4)
    lens: dict | None  # as an info file has it, where pictures are distorted


class Rig(NamedTuple):
    """Cameras and perhaps a lidar on a vehicle."""

    cameras: dict[str, Camera]
    lidar2ego: np.ndarray | None  # (4, 4)
    num_features: int  # of a lidar point


class Image(NamedTuple):
    """An image of a frame; its path starts from the data root."""

    path: str
    timestamp: float  # seconds
    ego2global: np.ndarray | None  # (4, 4), when it was taken


class Frame(NamedTuple):
    """A moment of a scene; `where` names its line for errors."""

    token: str
    timestamp: float  # seconds
    ego2global: np.ndarray  # (4, 4)
    images: dict[str, Image]
    lidar: str
    label_raster: Path | None
    is_keyframe: bool
    where: str


class Scene(NamedTuple):
    """A drive, its frames in the order of time."""

    name: str
    dataset: str
    rig: Rig
    split: str
    location: str
    label_raster: Path | None
    frames: list[Frame]
