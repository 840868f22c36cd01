"""The checked contents of drives files, in the conventions of this project (docs/conventions.md)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np


class Camera(NamedTuple):
    """A camera of a rig: size and intrinsics of its undistorted images, its pose, and its lens."""

    size: tuple[int, int]  # height, width
    cam2img: np.ndarray  # (3, 3)
    cam2ego: np.ndarray  # (4, 4)
    lens: dict | None  # as in an info file, if images are distorted


class Rig(NamedTuple):
    """The cameras of a vehicle, optionally with a lidar."""

    cameras: dict[str, Camera]
    lidar2ego: np.ndarray | None  # (4, 4)
    num_features: int  # of a lidar point


class Image(NamedTuple):
    """An image of a frame; its path is relative to the data root."""

    path: str
    timestamp: float  # seconds
    ego2global: np.ndarray | None  # (4, 4), when it was taken


class Frame(NamedTuple):
    """A time of a scene; `where` names its line for errors."""

    token: str
    timestamp: float  # seconds
    ego2global: np.ndarray  # (4, 4)
    images: dict[str, Image]
    lidar: str
    label_raster: Path | None
    is_keyframe: bool
    where: str


class Scene(NamedTuple):
    """A drive, with its frames in order of time."""

    name: str
    dataset: str
    rig: Rig
    split: str
    location: str
    label_raster: Path | None
    frames: list[Frame]
