"""The pseudo-label folder: one label and one confidence picture per image, and a manifest that names the teacher.

    {root}/manifest.json
    {root}/labels/{CAMERA}/{stem}.png        uint8 class ids at image size
    {root}/confidence/{CAMERA}/{stem}.png    uint8, 255 = certain

Every file is written beside its place and then renamed, so that an interrupted run leaves no half file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .pictures import write_bytes, write_png

SCHEMA = 1
HOW_TO_MAKE = 'ssl_bev.pseudo_labels.PseudoLabelWriter'
LABEL_FILE = 'labels/{camera}/{stem}.png'
CONFIDENCE_FILE = 'confidence/{camera}/{stem}.png'
MANIFEST = 'manifest.json'


class PseudoLabelWriter:
    """Writes one teacher's labels; continues a folder of the same teacher, refuses another's.

    Args:
        root: folder, made where missing.
        teacher_name: name of the teacher model.
        teacher_sha256: hash of its weights, or of whatever defines it.
        class_names: the teacher's classes in the order of their ids.
        generator_version: version of the program that makes the labels.

    Raises:
        ValueError: the folder holds another teacher's labels or other class names.
    """

    def __init__(
        self,
        root: str | Path,
        teacher_name: str,
        teacher_sha256: str,
        class_names: Sequence[str],
        generator_version: str = '1',
    ) -> None:
        if not 0 < len(class_names) <= 255:
            raise ValueError(f'class_names must hold 1 to 255 names (ids are uint8), got {len(class_names)}')
        self.root = Path(root)
        self.class_names = list(class_names)
        self._manifest = {
            'schema': SCHEMA,
            'teacher': {'name': teacher_name, 'sha256': teacher_sha256},
            'class_names': self.class_names,
            'generator_version': generator_version,
            'label_count': 0,
            'image_sizes': [],
        }
        self._sizes: set[tuple[int, int]] = set()
        path = self.root / MANIFEST
        if path.is_file():
            self._check_same(path)
        else:
            self.root.mkdir(parents=True, exist_ok=True)
            self._write_manifest()

    def exists(self, camera: str, stem: str) -> bool:
        """True where both files of the image are there already."""
        return all(
            (self.root / name.format(camera=camera, stem=stem)).is_file() for name in (LABEL_FILE, CONFIDENCE_FILE)
        )

    def write(
        self,
        camera: str,
        stem: str,
        ids: np.ndarray,  # (H, W) uint8
        confidence: np.ndarray,  # (H, W) uint8, or float 0..1
    ) -> None:
        """Store the labels of one image.

        Raises:
            ValueError: shapes that differ, or an id that is neither a class nor 255 (ignore).
        """
        if ids.ndim != 2 or ids.dtype != np.uint8:
            raise ValueError(f'ids must be (H, W) uint8, got {ids.shape} {ids.dtype}')
        if confidence.shape != ids.shape:
            raise ValueError(f'confidence must have the shape of ids {ids.shape}, got {confidence.shape}')
        unknown = ids[(ids >= len(self.class_names)) & (ids != 255)]
        if unknown.size:
            raise ValueError(f'{camera}/{stem}: id {int(unknown[0])} is outside the {len(self.class_names)} classes')
        if confidence.dtype != np.uint8:
            confidence = np.clip(np.rint(confidence * 255), 0, 255).astype(np.uint8)
        # The label goes last: where it is, its confidence is there too.
        write_png(self.root / CONFIDENCE_FILE.format(camera=camera, stem=stem), confidence)
        write_png(self.root / LABEL_FILE.format(camera=camera, stem=stem), ids)
        self._sizes.add((ids.shape[0], ids.shape[1]))

    def close(self) -> None:
        """Write the number of labels and the image sizes into the manifest."""
        self._manifest['label_count'] = sum(1 for _ in (self.root / 'labels').rglob('*.png'))
        self._manifest['image_sizes'] = sorted([list(size) for size in self._sizes])
        self._write_manifest()

    def __enter__(self) -> PseudoLabelWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _check_same(self, path: Path) -> None:
        found = read_manifest(path)
        for key in ('teacher', 'class_names'):
            if found[key] != self._manifest[key]:
                raise ValueError(
                    f'{self.root} holds pseudo-labels with another {key}: {_short(found[key])} instead of '
                    f'{_short(self._manifest[key])}; choose another folder or delete this one'
                )
        self._sizes = {(size[0], size[1]) for size in found.get('image_sizes', ())}

    def _write_manifest(self) -> None:
        write_bytes(self.root / MANIFEST, json.dumps(self._manifest, indent=1).encode())


def read_manifest(path: str | Path) -> dict:
    """Read and check a manifest.

    Raises:
        FileNotFoundError: no manifest.
        ValueError: not JSON, another schema, or missing fields.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'pseudo-label manifest not found: {path}; write it with {HOW_TO_MAKE}')
    try:
        content = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f'pseudo-label manifest {path} is no JSON: {error}') from error
    if content.get('schema') != SCHEMA:
        raise ValueError(f'pseudo-label manifest {path}: schema must be {SCHEMA}, got {content.get("schema")}')
    missing = [key for key in ('teacher', 'class_names') if key not in content]
    if missing:
        raise ValueError(f'pseudo-label manifest {path} lacks {missing}')
    return content


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:117] + '...'
