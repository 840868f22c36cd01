"""The BEV label folder: one 16-bit PNG per frame, and a manifest with classes and grid.

{folder}/manifest.json
{folder}/{sample token}.png      bit k set: class k is present in the cell; row 0 is the lowest y, column 0 the
                                 lowest x, as in every BEV tensor
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ssl_bev.files import write_bytes, write_png
from ssl_bev.geometry import BEVGrid

MANIFEST = 'manifest.json'
MAX_CLASSES = 16


def label_path(folder: str | Path, token: str) -> Path:
    """Where a frame's labels are."""
    return Path(folder) / f'{token}.png'


def write_label(
    folder: str | Path,
    token: str,
    masks: np.ndarray,  # (K, H, W) bool
) -> None:
    """Write the labels of a frame."""
    bits = (masks.astype(np.uint16) << np.arange(len(masks), dtype=np.uint16)[:, None, None]).sum(0, dtype=np.uint16)
    write_png(label_path(folder, token), bits)


def write_label_manifest(
    folder: str | Path,
    classes: Sequence[str],
    grid: BEVGrid,
    line_width: float,
    bev_frame: str,
    version: str,
    line_widths: Mapping[str, float] | None = None,
) -> None:
    """Write what all label files of a folder have in common.

    Args:
        line_width: the common one, metres.
        line_widths: line class -> the width that it is drawn with, metres.

    Raises:
        ValueError: more classes than a label file has bits.
    """
    if len(classes) > MAX_CLASSES:
        raise ValueError(f'classes: a label file holds at most {MAX_CLASSES}, got {len(classes)}')
    content = {
        'classes': list(classes),
        'x_range': list(grid.x_range),
        'y_range': list(grid.y_range),
        'cell_size': grid.cell_size,
        'line_width': line_width,
        'line_widths': dict(line_widths or {}),
        'bev_frame': bev_frame,
        'version': version,
    }
    write_bytes(Path(folder) / MANIFEST, json.dumps(content, indent=1).encode())


def read_label_manifest(folder: str | Path) -> dict:
    """Read a manifest; `grid` is added as a `BEVGrid`.

    Raises:
        FileNotFoundError: no manifest.
        ValueError: broken JSON or missing fields.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(f'BEV label manifest not found: {path}; make it with tools/create_data.py')
    try:
        content = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f'BEV label manifest {path} is no JSON: {error}') from error
    missing = [key for key in ('classes', 'x_range', 'y_range', 'cell_size', 'bev_frame') if key not in content]
    if missing:
        raise ValueError(f'BEV label manifest {path} lacks {missing}; make it again with tools/create_data.py')
    content['grid'] = BEVGrid(tuple(content['x_range']), tuple(content['y_range']), content['cell_size'])
    return content
