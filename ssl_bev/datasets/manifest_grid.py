"""The grid that a manifest describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ssl_bev.files.rules import Key, number, numbers
from ssl_bev.geometry import BEVGrid

_RANGE = Key(numbers([2], 'lowest and highest, metres'))
GRID_KEYS = {'x_range': _RANGE, 'y_range': _RANGE, 'cell_size': Key(number(1e-3, 1e3, 'number of metres'))}


def manifest_grid(content: Mapping, path: Path) -> BEVGrid:
    """The grid of a manifest that has `GRID_KEYS`.

    Raises:
        ValueError: ranges that are no whole multiples of the cell size; the message names the manifest.
    """
    try:
        return BEVGrid(tuple(content['x_range']), tuple(content['y_range']), content['cell_size'])
    except ValueError as error:
        raise ValueError(f'manifest {path}: {error}') from None
