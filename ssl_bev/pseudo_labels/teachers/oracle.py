"""The oracle: exact class maps of the synthetic dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..manifest import MANIFEST, read_manifest
from ..reader import PseudoLabelReader
from .images import check_images


class OracleTeacher:
    """Looks up labels by camera and file name in a pseudo-label folder.

    Args:
        root: a dataset with a folder `oracle`, or this folder itself.

    Raises:
        FileNotFoundError: no labels there.
    """

    def __init__(self, root: str | Path) -> None:
        folder = Path(root)
        if not (folder / MANIFEST).is_file():
            folder = folder / 'oracle'
        if not (folder / MANIFEST).is_file():
            raise FileNotFoundError(
                f'root {root} holds no exact labels: neither it nor its folder "oracle" has a {MANIFEST}; '
                'the oracle exists on synthetic data only'
            )
        teacher = read_manifest(folder / MANIFEST)['teacher']
        self.name = teacher['name']
        self.sha256 = teacher['sha256']
        self._labels = PseudoLabelReader(folder)
        self.class_names = list(self._labels.class_names)
        self.settings: dict[str, object] = {}

    def predict(
        self,
        images: Sequence[np.ndarray],  # each (H, W, 3) uint8, BGR
        paths: Sequence[str | Path] | None = None,
    ) -> list[tuple[np.ndarray, np.ndarray]]:  # each (H, W) uint8 class ids, (H, W) uint8 confidence
        """The labels that belong to the files `paths`; see `Teacher.predict`.

        Raises:
            ValueError: no paths, or labels of another size than the image.
            FileNotFoundError: a file without labels.
        """
        check_images(images)
        if paths is None or len(paths) != len(images):
            count = 'none' if paths is None else len(paths)
            raise ValueError(f'the oracle needs one path for each of the {len(images)} images, got {count}')
        labels = []
        for image, path in zip(images, map(Path, paths), strict=True):
            ids, confidence = self._labels.read(path.parent.name, path.stem)
            if ids.shape != image.shape[:2]:
                raise ValueError(f'{path}: the image is {image.shape[:2]}, its exact labels are {ids.shape}')
            labels.append((ids, confidence))
        return labels
