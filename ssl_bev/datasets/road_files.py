"""The folder of estimated roads: one file per frame, and a manifest with their settings.

{folder}/manifest.json           with the grid of the heights
{folder}/{frame token}.npz       road2ego (4, 4) float64; heights (h, w) float32, metres over its plane z = 0, or (0, 0)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ssl_bev.files.manifest_folder import ManifestFolder

from .manifest_grid import GRID_KEYS, manifest_grid

HOW_TO_MAKE = 'tools/estimate_road.py'
_FOLDER = ManifestFolder('roads', HOW_TO_MAKE, GRID_KEYS)
road_path = _FOLDER.path
start_folder = _FOLDER.start
check_folder = _FOLDER.check


def write_road(
    folder: str | Path,
    token: str,
    road2ego: np.ndarray,  # (4, 4)
    heights: np.ndarray | None = None,  # (h, w), metres
) -> None:
    """Write the road of a frame, completely or not at all."""
    heights = np.zeros((0, 0)) if heights is None else heights
    _FOLDER.write(folder, token, road2ego=np.asarray(road2ego, np.float64), heights=np.asarray(heights, np.float32))


class RoadReader:
    """Gives frames their roads.

    Args:
        folder: of tools/estimate_road.py.

    Raises:
        FileNotFoundError: no manifest.
        ValueError: a broken manifest.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest = _FOLDER.read_manifest(folder)
        self.grid = manifest_grid(self.manifest, _FOLDER.manifest_path(folder))

    def __call__(self, frame: Mapping) -> dict:
        """The frame with the key `road` that `frame_poses` reads: road2ego, and heights and their grid if it has any.

        Raises:
            FileNotFoundError: no road of this frame.
            ValueError: a broken file.
        """
        road2ego, heights = _FOLDER.read(self.folder, frame['token'], ('road2ego', 'heights'))
        if road2ego.shape != (4, 4) or heights.shape not in ((0, 0), self.grid.shape):
            raise ValueError(
                f'road {road_path(self.folder, frame["token"])} must hold road2ego (4, 4) and heights (0, 0) or '
                f'{self.grid.shape} as its manifest says, got {road2ego.shape} and {heights.shape}; delete the folder '
                f'and run {HOW_TO_MAKE}'
            )
        if not all(values.dtype.kind == 'f' and np.isfinite(values).all() for values in (road2ego, heights)):
            raise ValueError(
                f'road {road_path(self.folder, frame["token"])} must hold finite numbers; delete it and run '
                f'{HOW_TO_MAKE}'
            )
        road = {'road2ego': road2ego}
        if heights.size:
            road |= {'heights': heights, 'grid': self.grid}
        return {**frame, 'road': road}


def add_roads(frames: Sequence[Mapping], folder: str | Path | None) -> list[Mapping]:
    """The frames with their roads from a folder, or unchanged if it is None."""
    return list(frames) if folder is None else list(map(RoadReader(folder), frames))
