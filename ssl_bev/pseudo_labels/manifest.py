"""The manifest of a pseudo-label folder, which several processes may update at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from filelock import FileLock

from ssl_bev.files import write_text
from ssl_bev.files.rules import Key, list_of, record, text, true_or_false, whole
from ssl_bev.files.text_files import read_manifest_file

from .layout import HOW_TO_MAKE, LABEL_FILE, labelled_images

SCHEMA = 1
MANIFEST = 'manifest.json'
_KEYS = {
    'schema': Key(whole(SCHEMA, SCHEMA)),
    'teacher': Key(record({'name': Key(text)}, others=True)),
    'class_names': Key(list_of(text, 'names')),
    'image_sizes': Key(list_of(list_of(whole(1, 65536), 'pixels'), 'sizes'), []),
    'shared_names': Key(true_or_false, False),
}


def read_manifest(path: str | Path) -> dict:
    """Read and check a manifest.

    Raises:
        FileNotFoundError: no manifest.
        ValueError: not JSON, another schema, or a value that is missing or breaks its rule.
    """
    return read_manifest_file(path, 'pseudo-label manifest', f'write it with {HOW_TO_MAKE}', _KEYS)


def update_manifest(
    root: str | Path, sizes: Iterable[tuple[int, int]] = (), count: bool = False, shared_names: bool = False
) -> None:
    """Add image sizes, (height, width), to the manifest of a folder, and count its labels if requested.

    With `shared_names` it records that camera and file name do not identify images.
    """
    root = Path(root)
    with lock_manifest(root):
        content = read_manifest(root / MANIFEST)
        known = {tuple(size) for size in content.get('image_sizes', ())}
        content['image_sizes'] = sorted(list(size) for size in known.union(sizes))
        if shared_names:
            content['shared_names'] = True
        if count:
            content['label_count'] = len(labelled_images(root, LABEL_FILE))
        for rest in root.glob(f'.{MANIFEST}.*.tmp'):  # of a killed process, since a running one would hold the lock
            rest.unlink()
        write_manifest(root, content)


def lock_manifest(root: Path) -> FileLock:
    """Held while a manifest is read and rewritten, because shards share it."""
    return FileLock(root / f'.{MANIFEST}.lock')


def write_manifest(root: Path, content: Mapping) -> None:
    write_text(root / MANIFEST, json.dumps(content, indent=1))
