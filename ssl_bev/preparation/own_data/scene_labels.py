"""The BEV labels of scenes, from the rasters that their drives files name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from ssl_bev.geometry import BEVGrid
from ssl_bev.targets import IGNORE

from .drives import Scene
from .label_raster import LabelRaster
from .label_raster_files import read_label_raster


class SceneLabels:
    """Crops labels from rasters: that of a frame, in its vehicle frame, or else that of its scene, in the world frame.

    Args:
        scenes: all of the dataset.

    Raises:
        FileNotFoundError: a raster that is missing.
        ValueError: a broken one.
    """

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self._of_frame = {frame.token: frame.label_raster for scene in scenes for frame in scene.frames}
        named = [*(scene.label_raster for scene in scenes), *self._of_frame.values()]
        self.files = list(dict.fromkeys(path for path in named if path is not None))
        if missing := [path for path in self.files if not path.is_file()]:
            raise FileNotFoundError(f'label_raster: no file {missing[0]} ({len(missing)} are missing)')
        # Large rasters are not kept; frames come scene by scene.
        self._read = lru_cache(maxsize=2)(self._read_checked)
        first = read_label_raster(self.files[0]) if self.files else None
        self.classes = first.classes if first else ()

    def cut(
        self,
        scene: Scene,
        frame: dict,
        grid: BEVGrid,
        bev2global: np.ndarray,  # (4, 4)
        road2bev: np.ndarray,  # (4, 4)
    ) -> np.ndarray:  # (K, H, W) uint8, 1, 0 or 255 = unknown
        """The labels of the record of a frame; all unknown if it has no raster.

        Raises:
            ValueError: a broken raster, or one of other classes than the first.
        """
        own = self._of_frame[frame['token']]
        if own is not None:
            return self._read(own).cut(grid, np.linalg.inv(frame['ego2global']) @ bev2global, road2bev)
        if scene.label_raster is not None:
            return self._read(scene.label_raster).cut(grid, bev2global, road2bev)
        return np.full((len(self.classes), *grid.shape), IGNORE, np.uint8)

    def _read_checked(self, path: Path) -> LabelRaster:
        raster = read_label_raster(path)
        if raster.classes != self.classes:
            raise ValueError(
                f'label raster {path} has the classes {list(raster.classes)}, {self.files[0]} has '
                f'{list(self.classes)}; all rasters of a data set must have the same, in one order'
            )
        return raster
