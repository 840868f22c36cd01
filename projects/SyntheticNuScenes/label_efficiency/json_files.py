"""JSON files that are whole or not there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ssl_bev.files import write_bytes


def read_json(path: Path) -> dict:
    """A JSON object, or an empty one where there is no file.

    Raises:
        ValueError: the file is no JSON.
    """
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f'{path} is no JSON ({error}); delete it and what it stands for') from error


def write_json(path: Path, content: Mapping) -> None:
    """Write a JSON object."""
    write_bytes(path, (json.dumps(content, indent=1) + '\n').encode())
