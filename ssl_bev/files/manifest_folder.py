"""A folder of one file per frame, with a manifest of their settings."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .atomic import write_npz, write_text
from .rules import Key
from .text_files import read_manifest_file

MANIFEST = 'manifest.json'
# Errors of numpy on files that are no .npz.
NPZ_ERRORS = (zipfile.BadZipFile, KeyError, EOFError, ValueError, OSError, NotImplementedError, RuntimeError, TypeError)


@dataclass(frozen=True)
class ManifestFolder:
    """Common properties of the folders of one kind; the arrays of a frame are in {folder}/{frame token}.npz.

    Args:
        content: of the files, plural, for error messages.
        how_to_make: the tool that makes them, for error messages.
        keys: required in a manifest.
    """

    content: str
    how_to_make: str
    keys: Mapping[str, Key] = field(default_factory=dict)

    def path(self, folder: str | Path, token: str) -> Path:
        """Where the file of a frame is."""
        return Path(folder) / f'{token}.npz'

    def write(self, folder: str | Path, token: str, **arrays: np.ndarray) -> None:
        """Write the arrays of a frame, completely or not at all."""
        write_npz(self.path(folder, token), **arrays)

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
        except NPZ_ERRORS as error:
            raise ValueError(
                f'{self.content[:-1]} {path} is broken ({error}); delete it and run {self.how_to_make}'
            ) from error

    def start(self, folder: str | Path, settings: Mapping) -> None:
        """Write the manifest of a new folder, or check that an existing one has the same settings.

        Raises:
            ValueError: the folder holds files that were made in another way, or something else.
        """
        if not self.check(folder, settings):
            write_text(self.manifest_path(folder), json.dumps(settings, indent=1))

    def check(self, folder: str | Path, settings: Mapping) -> bool:
        """Whether files of this kind with these settings exist; False for a new folder.

        Raises:
            ValueError: the folder holds files that were made in another way, or something else.
        """
        path = self.manifest_path(folder)
        if path.is_file():
            check_made_with(path.parent, self.content, self._read(path, {}), settings)
            return True
        if path.parent.is_dir() and any(path.parent.iterdir()):
            raise ValueError(f'{path.parent} is not empty and holds no {self.content}; choose another folder')
        return False

    def manifest_path(self, folder: str | Path) -> Path:
        """Where the manifest of a folder is."""
        return Path(folder) / MANIFEST

    def read_manifest(self, folder: str | Path) -> dict:
        """Read a manifest.

        Raises:
            FileNotFoundError: no manifest.
            ValueError: broken JSON, or a value that is missing or breaks its rule.
        """
        return self._read(self.manifest_path(folder), self.keys)

    def _read(self, path: Path, keys: Mapping[str, Key]) -> dict:
        return read_manifest_file(path, f'manifest of {self.content}', f'make it with {self.how_to_make}', keys)


def check_made_with(folder: str | Path, content: str, found: Mapping, settings: Mapping) -> None:
    """Raise ValueError if a folder was made with other settings, and name those that differ."""
    settings = json.loads(json.dumps(settings))
    different = [key for key in {**settings, **found} if settings.get(key) != found.get(key)]
    if different:
        changes = ', '.join(f'{key} {found.get(key)} (now {settings.get(key)})' for key in different)
        raise ValueError(
            f'{folder} holds {content} that were made with {changes}; choose another folder or delete this one'
        )
