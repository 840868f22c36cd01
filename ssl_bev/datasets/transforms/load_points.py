"""Load the lidar points of a window."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ..calibration import lidar2bev
from ..lidar_files import NUM_FEATURES, read_lidar


@TRANSFORMS.register_module()
class LoadBEVPoints(BaseTransform):
    """Read the lidar points of a window's last frames, each in the BEV frame of its own time.

    Put it before `BEVFlipRotate`, which also moves the points. A frame that the window repeats is read once.

    Required Keys: frames, bev_frame, data_root, data_prefix ('pts': a folder before the lidar's paths)

    Added Keys:
        - points: list of T' arrays (P, F) float32, x, y, z in metres first, for the last T' frames of the window, so
          index it from the end

    Args:
        num_frames: read only the last n frames of the window, T' = min(n, T); None: all.
        load_dim: columns of the files, see `read_lidar`; None: as in the info file, or else 5.
        use_dim: columns to keep; the first three must be 0, 1, 2.

    Raises:
        FileNotFoundError: a missing file, with its path and the frame's token.
        ValueError: an argument out of range, a frame without a lidar file, as between keyframes, or a file that does
            not have `load_dim` columns.
    """

    def __init__(
        self,
        num_frames: int | None = None,
        load_dim: int | None = None,
        use_dim: Sequence[int] = (0, 1, 2, 3),
    ) -> None:
        if num_frames is not None and (not isinstance(num_frames, int) or num_frames < 1):
            raise ValueError(f'num_frames must be a positive integer or None, got {num_frames!r}')
        self._check_columns(use_dim, load_dim)
        self.num_frames = num_frames
        self.load_dim = load_dim
        self.use_dim = list(use_dim)

    def transform(self, results: dict) -> dict:
        frames = results['frames'][-(self.num_frames or len(results['frames'])) :]
        loaded: dict[str, np.ndarray] = {}
        for frame in frames:
            if frame['token'] not in loaded:
                loaded[frame['token']] = self._load(results, frame)
        results['points'] = [loaded[frame['token']] for frame in frames]
        return results

    def _load(self, results: dict, frame: dict) -> np.ndarray:  # (P, F) float32
        file, token = frame.get('lidar_points', {}).get('lidar_path'), frame['token']
        if not file:
            raise ValueError(
                f'frame {token} has no lidar file, as those between keyframes have none; use the dataset with '
                "frames='keyframes', or a smaller num_frames"
            )
        path = Path(results['data_root'], results['data_prefix'].get('pts', ''), file)
        load_dim = self.load_dim or frame['lidar_points'].get('num_pts_feats') or NUM_FEATURES
        self._check_columns(self.use_dim, load_dim)
        points = read_lidar(path, load_dim, f'frame {token}')[:, self.use_dim]
        pose = lidar2bev(frame, results['bev_frame'])
        points[:, :3] = points[:, :3] @ pose[:3, :3].T + pose[:3, 3]
        return points

    @staticmethod
    def _check_columns(use_dim: Sequence[int], load_dim: int | None) -> None:
        if tuple(use_dim[:3]) != (0, 1, 2) or not all(0 <= column < (load_dim or np.inf) for column in use_dim):
            below = f' and stay below load_dim={load_dim}' if load_dim else ''
            raise ValueError(f'use_dim must begin with 0, 1, 2{below}, got {tuple(use_dim)}')

    def __repr__(self) -> str:
        return f'{type(self).__name__}(num_frames={self.num_frames}, load_dim={self.load_dim}, use_dim={self.use_dim})'
