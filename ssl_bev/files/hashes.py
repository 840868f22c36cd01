"""The hash that names what files hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def sha256(files: Iterable[Path]) -> str:
    """The SHA-256 of the files' contents one after the other; of a single file as `sha256sum` prints it."""
    digest = hashlib.sha256()
    for file in files:
        with file.open('rb') as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
