"""The BEV label folder: one 16-bit PNG per frame, and a manifest with classes and grid.

{folder}/manifest.json
{folder}/{sample token}.png      bit k set: class k is present in the cell; row 0 is the lowest y, column 0 the
                                 lowest x, as in every BEV tensor. If the manifest says `has_unknown`, bit K + k of
                                 K classes set: class k is unknown there
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from ssl_bev.files import read_picture, write_png, write_text
from ssl_bev.files.rules import Key, list_of, one_of, text, true_or_false
from ssl_bev.files.text_files import read_manifest_file
from ssl_bev.geometry import BEVGrid
from ssl_bev.targets import IGNORE

from .calibration import BEV_FRAMES
from .manifest_grid import GRID_KEYS, manifest_grid

MANIFEST = 'manifest.json'
MAX_CLASSES = 16
_KEYS = {
    'classes': Key(list_of(text, 'names')),
    **GRID_KEYS,
    'bev_frame': Key(one_of(BEV_FRAMES)),
    'has_unknown': Key(true_or_false, False),
}


def label_path(folder: str | Path, token: str) -> Path:
    """Where a frame's labels are."""
    return Path(folder) / f'{token}.png'


def write_label(
    folder: str | Path,
    token: str,
    labels: np.ndarray,  # (K, H, W) bool, or uint8 of 1, 0 and 255 = unknown
) -> None:
    """Write the labels of a frame. Unknown cells need a manifest with `has_unknown`."""
    planes = np.concatenate([labels == 1, labels == IGNORE])
    bits = (planes.astype(np.uint16) << np.arange(len(planes), dtype=np.uint16)[:, None, None]).sum(0, dtype=np.uint16)
    write_png(label_path(folder, token), bits)


def read_label(folder: str | Path, token: str, manifest: Mapping) -> np.ndarray:  # (K, H, W) uint8
    """The labels of a frame: 1, 0 or 255 = unknown.

    Args:
        folder: of the labels.
        token: of the frame.
        manifest: of `read_label_manifest`.

    Raises:
        FileNotFoundError: no file of this frame.
        ValueError: a broken file, or one that contradicts the manifest.
    """
    path = label_path(folder, token)
    bits = read_picture(path, cv2.IMREAD_UNCHANGED, f'BEV label of frame {token}')
    shape, count = manifest['grid'].shape, len(manifest['classes'])
    if bits.shape != shape or bits.dtype != np.uint16:
        raise ValueError(f'BEV label {path} must be {shape} uint16 as its manifest says, got {bits.shape} {bits.dtype}')
    used = count * (2 if manifest.get('has_unknown') else 1)
    if int(bits.max(initial=0)) >> used:
        raise ValueError(f'BEV label {path} has bits beyond the {count} classes of the manifest')
    planes = (bits >> np.arange(used, dtype=np.uint16)[:, None, None]) & 1
    labels = planes[:count].astype(np.uint8)
    labels[: used - count][planes[count:] == 1] = IGNORE
    return labels


def write_label_manifest(
    folder: str | Path,
    classes: Sequence[str],
    grid: BEVGrid,
    line_width: float | None,
    bev_frame: str,
    version: str,
    line_widths: Mapping[str, float] | None = None,
    has_unknown: bool = False,
    registration: Mapping | None = None,
) -> None:
    """Write the common properties of all label files of a folder.

    Args:
        line_width: the common one, metres; None: lines keep their width.
        line_widths: line class -> the width that it is drawn with, metres.
        has_unknown: labels may be unknown in some cells.
        registration: how the maps were fitted before they were drawn; None: they were not.

    Raises:
        ValueError: more classes than a label file has bits.
    """
    most = MAX_CLASSES // 2 if has_unknown else MAX_CLASSES
    if len(classes) > most:
        raise ValueError(f'classes: a label file holds at most {most}, got {len(classes)}')
    content = {
        'classes': list(classes),
        'x_range': list(grid.x_range),
        'y_range': list(grid.y_range),
        'cell_size': grid.cell_size,
        'line_width': line_width,
        'line_widths': dict(line_widths or {}),
        'bev_frame': bev_frame,
        'version': version,
        'has_unknown': has_unknown,
        **({'registration': dict(registration)} if registration else {}),
    }
    write_text(Path(folder) / MANIFEST, json.dumps(content, indent=1))


def read_label_manifest(folder: str | Path) -> dict:
    """Read a manifest; `grid` is added as a `BEVGrid`.

    Raises:
        FileNotFoundError: no manifest.
        ValueError: broken JSON, or a value that is missing or breaks its rule.
    """
    path = Path(folder) / MANIFEST
    content = read_manifest_file(path, 'BEV label manifest', 'make it with tools/create_data.py', _KEYS)
    return content | {'grid': manifest_grid(content, path)}
