"""The folder of accumulated targets: one file per frame, and a manifest with their settings.

{folder}/manifest.json
{folder}/{frame token}.npz       probability and weight, both (K, H, W) uint8, 255 = 1; a weight of 0 is not observed
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ssl_bev.files.manifest_folder import ManifestFolder
from ssl_bev.files.rules import Key, list_of, one_of, text

from .calibration import BEV_FRAMES
from .manifest_grid import GRID_KEYS, manifest_grid

HOW_TO_MAKE = 'tools/accumulate_pseudo_labels.py or tools/complete_maps.py'
_KEYS = {'classes': Key(list_of(text, 'names')), **GRID_KEYS, 'bev_frame': Key(one_of(BEV_FRAMES))}
_FOLDER = ManifestFolder('accumulated targets', HOW_TO_MAKE, _KEYS)
target_path = _FOLDER.path
start_folder = _FOLDER.start
check_folder = _FOLDER.check


def write_target(
    folder: str | Path,
    token: str,
    probability: np.ndarray,  # (K, H, W), 0 ... 1
    weight: np.ndarray,  # (K, H, W), 0 ... 1
) -> None:
    """Write the targets of a frame, completely or not at all."""
    probability, weight = (np.rint(np.clip(value, 0, 1) * 255).astype(np.uint8) for value in (probability, weight))
    _FOLDER.write(folder, token, probability=probability, weight=weight)


def read_target(
    folder: str | Path, token: str, shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:  # (K, H, W) uint8, (K, H, W) uint8
    """Probability and weight of a frame.

    Raises:
        FileNotFoundError: no file of this frame.
        ValueError: a broken file, or one of another shape.
    """
    probability, weight = _FOLDER.read(folder, token, ('probability', 'weight'))
    for name, value in (('probability', probability), ('weight', weight)):
        if value.shape != shape or value.dtype != np.uint8:
            raise ValueError(
                f'{name} of accumulated target {target_path(folder, token)} must be {shape} uint8 as its manifest '
                f'says, got {value.shape} {value.dtype}; delete the folder and run {HOW_TO_MAKE}'
            )
    return probability, weight


def read_target_manifest(folder: str | Path) -> dict:
    """Read a manifest; `grid` is added as a `BEVGrid`.

    Raises:
        FileNotFoundError: no manifest.
        ValueError: broken JSON or missing fields.
    """
    content = _FOLDER.read_manifest(folder)
    content['grid'] = manifest_grid(content, _FOLDER.manifest_path(folder))
    return content
