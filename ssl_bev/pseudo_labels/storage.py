"""The pseudo-label folder: one label and one confidence file per image, and a manifest that names the teacher.

    {root}/manifest.json
    {root}/labels/{CAMERA}/{stem}.png        uint8 class ids at image size, with a record of the image
    {root}/confidence/{CAMERA}/{stem}.png    uint8, 255 = certain

The stem is that of the file name of the image; if several images of a camera share it, a checksum of the path follows.

Every file is written under a temporary name and then renamed, so an interrupted run leaves no partial file. Any number
of processes may write into one folder at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from ssl_bev.files import write_png
from ssl_bev.targets import IGNORE

from .layout import CONFIDENCE_FILE, LABEL_FILE, labelled_images
from .manifest import MANIFEST, SCHEMA, lock_manifest, read_manifest, update_manifest, write_manifest
from .source_image import KEYWORD, ImageRecord, read_record, unique_stem


class PseudoLabelWriter:
    """Writes the labels of a teacher; continues a folder of the same teacher, refuses that of another.

    Args:
        root: folder, created if missing.
        teacher_name: name of the teacher model.
        teacher_sha256: hash of its weights, or of what defines it.
        class_names: classes of the teacher in the order of their ids.
        generator_version: version of the program that makes the labels.
        settings: other settings that the labels depend on, such as the image scale of the teacher.

    Raises:
        ValueError: the folder has labels of another teacher, other classes or settings, or labels without a manifest.
    """

    def __init__(
        self,
        root: str | Path,
        teacher_name: str,
        teacher_sha256: str,
        class_names: Sequence[str],
        generator_version: str = '1',
        settings: Mapping[str, object] | None = None,
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
            'settings': json.loads(json.dumps(settings or {})),
            'label_count': 0,
            'image_sizes': [],
        }
        self._sizes: set[tuple[int, int]] = set()
        self._has_shared_names = False
        self.root.mkdir(parents=True, exist_ok=True)
        with lock_manifest(self.root):
            path = self.root / MANIFEST
            if path.is_file():
                self._check_same(path)
            elif labelled_images(self.root, LABEL_FILE):
                raise ValueError(f'{self.root} holds pseudo-labels without a {MANIFEST}; choose another folder')
            else:
                write_manifest(self.root, self._manifest)

    def exists(self, camera: str, stem: str) -> bool:
        """True if both files of the image exist and are not empty, as a crash of the machine may leave them."""
        paths = (self.root / name.format(camera=camera, stem=stem) for name in (LABEL_FILE, CONFIDENCE_FILE))
        return all(path.is_file() and path.stat().st_size for path in paths)

    def record(self, camera: str, stem: str) -> ImageRecord | None:
        """The recorded image of an existing label; None: not recorded."""
        return read_record(self.root / LABEL_FILE.format(camera=camera, stem=stem))

    def write(
        self,
        camera: str,
        stem: str,
        ids: np.ndarray,  # (H, W) uint8
        confidence: np.ndarray,  # (H, W) uint8, or float 0..1
        image: ImageRecord | None = None,
    ) -> None:
        """Store the labels of one image, with a record of the image.

        Raises:
            ValueError: shapes that differ, or an id that is neither a class nor 255 (ignore).
        """
        if ids.ndim != 2 or ids.dtype != np.uint8:
            raise ValueError(f'ids must be (H, W) uint8, got {ids.shape} {ids.dtype}')
        if confidence.shape != ids.shape:
            raise ValueError(f'confidence must have the shape of ids {ids.shape}, got {confidence.shape}')
        strangers = foreign_ids(ids, len(self.class_names))
        if strangers:
            raise ValueError(f'{camera}/{stem}: id {strangers[0]} is outside the {len(self.class_names)} classes')
        if confidence.dtype != np.uint8:
            confidence = np.clip(np.rint(confidence * 255), 0, 255).astype(np.uint8)
        is_shared = image is not None and stem == unique_stem(Path(image.path).stem, image.path)
        if ids.shape not in self._sizes or is_shared > self._has_shared_names:
            # Before the label itself, so that a killed run leaves no label that the manifest does not cover.
            update_manifest(self.root, sizes=[ids.shape], shared_names=is_shared)
            self._sizes.add(ids.shape)
            self._has_shared_names |= is_shared
        # Confidence is noisy: searching for matches longer than runs is not worth it.
        strategy = cv2.IMWRITE_PNG_STRATEGY_RLE
        # The label is written last: if it exists, its confidence exists too.
        write_png(self.root / CONFIDENCE_FILE.format(camera=camera, stem=stem), confidence, strategy)
        text = (KEYWORD, image.text()) if image else None
        write_png(self.root / LABEL_FILE.format(camera=camera, stem=stem), ids, text=text)

    def close(self) -> None:
        """Count the labels into the manifest."""
        update_manifest(self.root, count=True)

    def __enter__(self) -> PseudoLabelWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _check_same(self, path: Path) -> None:
        found = {'settings': {}, **read_manifest(path)}
        for key in ('teacher', 'class_names', 'settings'):
            if found[key] != self._manifest[key]:
                raise ValueError(
                    f'{self.root} holds pseudo-labels with another {key}: {_short(found[key])} instead of '
                    f'{_short(self._manifest[key])}; choose another folder or delete this one'
                )


def foreign_ids(ids: np.ndarray, num_classes: int) -> list[int]:
    """The values that are neither a class id nor 255 (ignore)."""
    if ids.max(initial=0) < num_classes:
        return []
    return [int(value) for value in np.unique(ids) if value >= num_classes and value != IGNORE]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:117] + '...'
