"""Reading of a pseudo-label folder (see `storage` for its layout)."""

from __future__ import annotations

import glob
import logging
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from ssl_bev.files import read_ids, read_picture

from .layout import CONFIDENCE_FILE, HOW_TO_MAKE, LABEL_FILE, label_stem
from .manifest import MANIFEST, read_manifest
from .source_image import SourceImage, read_record

logger = logging.getLogger(__name__)


class PseudoLabelReader:
    """Reads the labels and confidences of images.

    Args:
        root: the pseudo-label folder.
        label_file: path of a label image below `root`, with {camera} and {stem} (of the file name of the image).
        confidence_file: the same for confidences; None: every label is certain.
        manifest: path of the manifest below `root`; None: a folder without one.
        teacher: expected name of the teacher; None: any.

    Raises:
        FileNotFoundError: no manifest.
        ValueError: the manifest names another teacher.
    """

    def __init__(
        self,
        root: str | Path,
        label_file: str = LABEL_FILE,
        confidence_file: str | None = CONFIDENCE_FILE,
        manifest: str | None = MANIFEST,
        teacher: str | None = None,
    ) -> None:
        if teacher is not None and manifest is None:
            raise ValueError(f'teacher={teacher!r} can only be checked against a manifest, got manifest=None')
        self.root = Path(root)
        self.label_file = label_file
        self.confidence_file = confidence_file
        self.class_names: list[str] | None = None
        self._has_shared_names = False
        if manifest is None:
            return
        content = read_manifest(self.root / manifest)
        found = content['teacher']['name']
        if teacher is not None and found != teacher:
            raise ValueError(
                f'{self.root / manifest}: the labels were made by teacher {found!r}, expected {teacher!r}; '
                f'write them with {HOW_TO_MAKE} or change the argument teacher'
            )
        self.class_names = list(content['class_names'])
        self._has_shared_names = content.get('shared_names', False)

    def read(
        self, camera: str, stem: str, token: str = '', image: SourceImage | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:  # (H, W) uint8, (H, W) uint8
        """The class ids of one image and its confidences (None without `confidence_file`).

        Args:
            camera: name of the camera.
            stem: of the file name of the image.
            token: of the frame, for error messages.
            image: that the labels must belong to, if the folder records it; None: any with this camera and name.

        Raises:
            FileNotFoundError: a missing file, with its path and the token of the frame.
            ValueError: a file that is no single-channel 8-bit image, or the labels of another image.
        """
        if image is None and self._has_shared_names:
            self._check_unique(camera, stem)
        stem = label_stem(self.root, camera, stem, image, self.label_file)
        if image is not None and '{stem}' in self.label_file:
            self._check_image(self.root / self.label_file.format(camera=camera, stem=stem), image)
        ids = self._picture(self.label_file, camera, stem, token)
        if self.confidence_file is None:
            return ids, None
        confidence = self._picture(self.confidence_file, camera, stem, token)
        if confidence.shape != ids.shape:
            raise ValueError(
                f'confidence of {camera}/{stem} is {confidence.shape}, its labels are {ids.shape} (frame {token})'
            )
        return ids, confidence

    def _check_unique(self, camera: str, stem: str) -> None:
        found = sorted(self.root.glob(self.label_file.format(camera=camera, stem=f'{glob.escape(stem)}~*')))
        if found:
            raise ValueError(
                f'pseudo-label of {camera}/{stem}: several images have this camera and file name, see {found[0]}; say '
                'which image is meant'
            )

    def _check_image(self, path: Path, image: SourceImage) -> None:
        record = read_record(path) if path.is_file() else None
        if record is None and image.is_shared and path.is_file():
            raise ValueError(
                f'pseudo-label {path} does not say which image it is of, and {image.path} is not the only one of its '
                f'camera with that file name; make the labels again with {HOW_TO_MAKE}'
            )
        if record is None:
            return
        if not record.is_of(image):
            raise ValueError(
                f'pseudo-label {path} was made of image {record.path} (token {", ".join(record.tokens)}), not of '
                f'{image.path} (token {", ".join(image.tokens)}); make the labels of this image with {HOW_TO_MAKE}, in '
                'a folder of its own for each data root'
            )
        if image.file is None and not record.has_token(image):
            warn_once(
                f'pseudo-labels {self.root}: some images have the path of their label, but frames with other tokens, '
                'as after a new tools/create_data.py. Whether they are the same images is not checked here; '
                f'{HOW_TO_MAKE} --verify does'
            )

    def _picture(self, pattern: str, camera: str, stem: str, token: str) -> np.ndarray:
        path = self.root / pattern.format(camera=camera, stem=stem)
        if not path.is_file():
            raise FileNotFoundError(f'pseudo-label not found: {path} (frame {token}); write it with {HOW_TO_MAKE}')
        if pattern == self.label_file:
            return read_ids(path, f'frame {token}')
        picture = read_picture(path, cv2.IMREAD_UNCHANGED, f'frame {token}')
        if picture.ndim != 2 or picture.dtype != np.uint8:
            raise ValueError(f'confidence {path} (frame {token}) is no single-channel 8-bit PNG')
        return picture


@lru_cache(maxsize=64)
def warn_once(message: str) -> None:
    """Log a warning, but not again in this process."""
    logger.warning(message)
