"""Files of lidar points."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ssl_bev.files.manifest_folder import NPZ_ERRORS

NUM_FEATURES = 5  # of nuScenes


def read_lidar(path: str | Path, num_features: int, context: str = '') -> np.ndarray:  # (P, F) float32
    """Read the points of a lidar: rows of float32 as in nuScenes and KITTI, or the array `points` of an .npz.

    If an .npz also has an array `intensity`, (P,), it is the last feature.

    Args:
        path: of the file; a file that does not end in .npz contains rows of float32.
        num_features: F, values per point, x, y, z first.
        context: of the file, for error messages.

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
