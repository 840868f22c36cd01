"""One kind of targets of a config, made by one function of `ssl_bev.preparation`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ssl_bev.preparation.accumulate_dataset import read_scenes


@dataclass(frozen=True)
class Frames:
    """Frames of some datasets, with their folders.

    Args:
        infos: info files of tools/create_data.py.
        data_root: folder that image paths are relative to.
        bev_frame: 'ego' or 'lidar'.
        with_sweeps: also the frames between the keyframes.
        roads: folder of their roads, or None.
    """

    infos: tuple[str, ...]
    data_root: str
    bev_frame: str = 'ego'
    with_sweeps: bool = False
    roads: str | None = None

    @property
    def tokens(self) -> tuple[str, ...]:
        """Of all frames; raises as `read_scenes`."""
        return _tokens(self.infos, self.with_sweeps)


@dataclass(frozen=True)
class Stage(ABC):
    """A folder with one file for each frame.

    Args:
        out: the folder.
        frames: that need files.
        after: stages that this one reads.
    """

    out: Path
    frames: Frames
    after: Sequence[Stage] = ()
    name = ''

    @property
    def missing(self) -> int:
        """How many frames have no file yet."""
        return sum(not self.path(token).is_file() for token in self.frames.tokens)

    @property
    def is_done(self) -> bool:
        """Whether this stage and those before it are complete."""
        return all(stage.is_done for stage in self.after) and not self.missing

    @abstractmethod
    def path(self, token: str) -> Path:
        """Where the file of a frame is."""

    @abstractmethod
    def check(self) -> None:
        """Compare the settings of the folder with the current ones, and check that inputs exist.

        Raises:
            FileNotFoundError: an input is missing.
            ValueError: the folder was made with other settings.
        """

    @abstractmethod
    def run(self, workers: int = 1, device: str = 'cpu', show_progress: bool = True) -> None:
        """Make missing files; raises as the function of the stage, and as `check`."""


@lru_cache(maxsize=8)
def _tokens(infos: tuple[str, ...], with_sweeps: bool) -> tuple[str, ...]:
    """Cached, since stages share their frames and info files are large."""
    scenes = read_scenes(infos, with_sweeps)
    return tuple(dict.fromkeys(frame['token'] for scene in scenes for frame in scene))
