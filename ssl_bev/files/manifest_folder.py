"""A folder of one file per frame, with a manifest that says how they were made."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .atomic import write_bytes

MANIFEST = 'manifest.json'


@dataclass(frozen=True)
class ManifestFolder:
    """What the folders of one kind have in common; the arrays of a frame are {folder}/{frame token}.npz.

    Args:
        content: what they hold, plural, for error messages.
        how_to_make: the tool that makes them, for error messages.
        needed: what a manifest must say.
    """

    content: str
    how_to_make: str
    needed: Sequence[str] = ()

    def path(self, folder: str | Path, token: str) -> Path:
        """Where the file of a frame is."""
        return Path(folder) / f'{token}.npz'

    def write(self, folder: str | Path, token: str, **arrays: np.ndarray) -> None:
        """Write the arrays of a frame, whole or not at all."""
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        write_bytes(self.path(folder, token), content.getvalue())

    def read(self, folder: str | Path, token: str, names: Sequence[str]) -> list[np.ndarray]:
        """Arrays of a frame.

        Raises:
            FileNotFoundError: no file of this frame.
            ValueError: a broken file.
        """
        path = self.path(folder, token)
        if not path.is_file():
            raise FileNotFoundError(
                f'{self.content[:-1]} not found: {path} (frame {token}); make it with {self.how_to_make}'
            )
        try:
            with np.load(path) as content:
                return [content[name] for name in names]
        except (zipfile.BadZipFile, KeyError, EOFError, ValueError, OSError) as error:
            raise ValueError(
                f'{self.content[:-1]} {path} is broken ({error}); delete it and run {self.how_to_make}'
            ) from error

    def start(self, folder: str | Path, settings: Mapping) -> None:
        """Write the manifest of a new folder, or check that an old one was made in the same way.

        Raises:
            ValueError: the folder holds files that were made in another way, or something else.
        """
        path = Path(folder) / MANIFEST
        settings = json.loads(json.dumps(settings))
        if not path.is_file():
            if path.parent.is_dir() and any(path.parent.iterdir()):
                raise ValueError(f'{path.parent} is not empty and holds no {self.content}; choose another folder')
            write_bytes(path, json.dumps(settings, indent=1).encode())
            return
        found = self._read_json(path)
        different = [key for key in {**settings, **found} if settings.get(key) != found.get(key)]
        if different:
            changes = ', '.join(f'{key} {found.get(key)} (now {settings.get(key)})' for key in different)
            raise ValueError(
                f'{path.parent} holds {self.content} that were made with {changes}; choose another folder or delete '
                'this one'
            )

    def read_manifest(self, folder: str | Path) -> dict:
        """Read a manifest.

        Raises:
            FileNotFoundError: no manifest.
            ValueError: broken JSON or missing fields.
        """
        path = Path(folder) / MANIFEST
        if not path.is_file():
            raise FileNotFoundError(f'manifest of {self.content} not found: {path}; make it with {self.how_to_make}')
        content = self._read_json(path)
        missing = [key for key in self.needed if key not in content]
        if missing:
            raise ValueError(
                f'manifest of {self.content} {path} lacks {missing}; make it again with {self.how_to_make}'
            )
        return content

    def _read_json(self, path: Path) -> dict:
        try:
            return json.loads(path.read_text())
        except json.JSONDecodeError as error:
            raise ValueError(f'manifest of {self.content} {path} is no JSON: {error}') from error
