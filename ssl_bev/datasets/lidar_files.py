"""Files of lidar points."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ssl_bev.files.manifest_folder import NPZ_ERRORS


def read_lidar(path: str | Path, num_features: int, context: str = '') -> np.ndarray:  # (P, F) float32
    """Read the points of a lidar: rows of float32 as nuScenes and KITTI have them, or the array `points` of an .npz.

    Where an .npz has an array `intensity` too, (P,), that is the last feature.

    Args:
        path: of the file; what does not end in .npz is rows of float32.
        num_features: F, numbers of a point, x, y, z first.
        context: what the file belongs to, for error messages.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a broken file, or points of another number of features.
    """
    path = Path(path)
    where = f'{path}' + (f' ({context})' if context else '')
    if not path.is_file():
        raise FileNotFoundError(f'lidar file not found: {where}')
    if path.suffix != '.npz':
        values = np.fromfile(path, np.float32)
        if values.size % num_features:
            raise ValueError(f'{where}: {values.size} numbers are no rows of load_dim={num_features}')
        return values.reshape(-1, num_features)
    try:
        with np.load(path) as content:
            columns = [content[name] for name in ('points', 'intensity') if name == 'points' or name in content]
            points = np.column_stack(columns).astype(np.float32)
    except NPZ_ERRORS as error:
        raise ValueError(f'lidar file {where} is no .npz with the array points: {error}') from error
    if points.ndim != 2 or points.shape[1] != num_features:
        raise ValueError(f'{where}: points must be (P, {num_features}) by load_dim={num_features}, got {points.shape}')
    return points
