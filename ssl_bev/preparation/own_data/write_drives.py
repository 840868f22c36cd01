"""Writing of drives files, for converters of other formats."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ssl_bev.files import write_text

from .read_drives import parse_drives


def pose(matrix: np.ndarray) -> dict:  # (4, 4)
    """A rigid matrix as a drives file has it."""
    x, y, z, w = Rotation.from_matrix(matrix[:3, :3]).as_quat().tolist()
    return {'translation': np.asarray(matrix)[:3, 3].tolist(), 'rotation_wxyz': [w, x, y, z]}


def write_drives(file: str | Path, lines: Iterable[Mapping]) -> None:
    """Write a drives file, completely or not at all.

    Raises:
        ValueError: a line that breaks a rule.
    """
    file = Path(file)
    text = [json.dumps(line) for line in lines]
    parse_drives({file: text})
    write_text(file, ''.join(f'{line}\n' for line in text))
