"""The folder of accumulated targets: one file per frame, and a manifest that says how they were made.

{folder}/manifest.json
{folder}/{frame token}.npz       probability and weight, both (K, H, W) uint8, 255 = 1; a weight of 0 is not observed
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ssl_bev.files import write_bytes
from ssl_bev.geometry import BEVGrid

MANIFEST = 'manifest.json'
HOW_TO_MAKE = 'tools/accumulate_pseudo_labels.py or tools/complete_maps.py'
_NEEDED = ('classes', 'x_range', 'y_range', 'cell_size', 'bev_frame')


def target_path(folder: str | Path, token: str) -> Path:
    """Where a frame's targets are."""
    return Path(folder) / f'{token}.npz'


def write_target(
    folder: str | Path,
    token: str,
    probability: np.ndarray,  # (K, H, W), 0 ... 1
    weight: np.ndarray,  # (K, H, W), 0 ... 1
) -> None:
    """Write the targets of a frame, whole or not at all."""
    content = io.BytesIO()
    values = (np.rint(np.clip(value, 0, 1) * 255).astype(np.uint8) for value in (probability, weight))
    np.savez_compressed(content, **dict(zip(('probability', 'weight'), values, strict=True)))
    write_bytes(target_path(folder, token), content.getvalue())


def read_target(
    folder: str | Path, token: str, shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:  # (K, H, W) uint8, (K, H, W) uint8
    """Probability and weight of a frame.

    Raises:
        FileNotFoundError: no file of this frame.
        ValueError: a broken file, or one of another shape.
    """
    path = target_path(folder, token)
    if not path.is_file():
        raise FileNotFoundError(f'accumulated target not found: {path} (frame {token}); make it with {HOW_TO_MAKE}')
    try:
        with np.load(path) as content:
            probability, weight = content['probability'], content['weight']
    except (zipfile.BadZipFile, KeyError, EOFError, ValueError, OSError) as error:
        raise ValueError(f'accumulated target {path} is broken ({error}); delete it and run {HOW_TO_MAKE}') from error
    for name, value in (('probability', probability), ('weight', weight)):
        if value.shape != shape or value.dtype != np.uint8:
            raise ValueError(
                f'{name} of accumulated target {path} must be {shape} uint8 as its manifest says, got {value.shape} '
                f'{value.dtype}; delete the folder and run {HOW_TO_MAKE}'
            )
    return probability, weight


def start_folder(folder: str | Path, settings: Mapping) -> None:
    """Write the manifest of a new folder, or check that an old one was made in the same way.

    Raises:
        ValueError: the folder holds targets that were made in another way, or something else.
    """
    path = Path(folder) / MANIFEST
    settings = json.loads(json.dumps(settings))
    if not path.is_file():
        if path.parent.is_dir() and any(path.parent.iterdir()):
            raise ValueError(f'{path.parent} is not empty and holds no accumulated targets; choose another folder')
        write_bytes(path, json.dumps(settings, indent=1).encode())
        return
    found = _read_json(path)
    different = [key for key in {**settings, **found} if settings.get(key) != found.get(key)]
    if different:
        changes = ', '.join(f'{key} {found.get(key)} (now {settings.get(key)})' for key in different)
        raise ValueError(
            f'{path.parent} holds targets that were made with {changes}; choose another folder or delete this one'
        )


def read_target_manifest(folder: str | Path) -> dict:
    """Read a manifest; `grid` is added as a `BEVGrid`.

    Raises:
        FileNotFoundError: no manifest.
        ValueError: broken JSON or missing fields.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(f'manifest of accumulated targets not found: {path}; make it with {HOW_TO_MAKE}')
    content = _read_json(path)
    missing = [key for key in _NEEDED if key not in content]
    if missing:
        raise ValueError(f'manifest of accumulated targets {path} lacks {missing}; make it again with {HOW_TO_MAKE}')
    content['grid'] = BEVGrid(tuple(content['x_range']), tuple(content['y_range']), content['cell_size'])
    return content


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f'manifest of accumulated targets {path} is no JSON: {error}') from error
