"""Reading of a pseudo-label folder (see `storage` for its layout)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ssl_bev.files import read_ids, read_picture

from .storage import CONFIDENCE_FILE, HOW_TO_MAKE, LABEL_FILE, MANIFEST, read_manifest


class PseudoLabelReader:
    """Reads the labels and confidences of images.

    Args:
        root: the pseudo-label folder.
        label_file: path of a label picture below `root`, with {camera} and {stem} (of the image's file name).
        confidence_file: the same for confidences; None: every label is certain.
        manifest: path of the manifest below `root`; None: a folder without one.
        teacher: the teacher's name that is expected; None: any.

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

    def read(
        self, camera: str, stem: str, token: str = ''
    ) -> tuple[np.ndarray, np.ndarray | None]:  # (H, W) uint8, (H, W) uint8
        """The class ids of one image and its confidences (None without `confidence_file`).

        Raises:
            FileNotFoundError: a missing file, with its path and the frame's token.
            ValueError: a file that is no single-channel 8-bit picture.
        """
        ids = self._picture(self.label_file, camera, stem, token)
        if self.confidence_file is None:
            return ids, None
        confidence = self._picture(self.confidence_file, camera, stem, token)
        if confidence.shape != ids.shape:
            raise ValueError(
                f'confidence of {camera}/{stem} is {confidence.shape}, its labels are {ids.shape} (frame {token})'
            )
        return ids, confidence

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
