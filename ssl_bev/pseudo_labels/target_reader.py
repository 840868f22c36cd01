"""Pseudo-labels as targets: their meaning for each class, and where they are ignored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from ssl_bev.targets import IGNORE

from .block_average import block_shares
from .label_map import LabelMap
from .layout import CONFIDENCE_FILE, LABEL_FILE
from .manifest import MANIFEST
from .reader import PseudoLabelReader, warn_once
from .source_image import SourceImage
from .validity import EgoBody, Region, near_movers


class TargetReader:
    """Reads pseudo-labels, ignores unreliable ones, and converts class ids into targets.

    Args:
        root: pseudo-label folder.
        label_map: name or file of a label map, or its content.
        classes: the K targets. One that the teacher does not know, such as a crossing, is ignored everywhere, with a
            warning.
        min_confidence: labels below this are ignored, 0 ... 1; one value, or one for each class (others: 0).
        mover_margin: labels within this distance of a mover are ignored; a fraction of the image width.
        ego_body: camera -> region of the ego vehicle, which is ignored, see `EgoBody`.
        teacher: name of the teacher that the manifest must have; None: any.
        label_file, confidence_file, manifest: as in `PseudoLabelReader`. Without a manifest, ids follow the class names
            of the label map.

    Raises:
        FileNotFoundError: no manifest.
        ValueError: another teacher, an unknown class or target, a teacher that knows none of the classes, or a
            threshold, margin or region out of range.
    """

    def __init__(
        self,
        root: str | Path,
        label_map: str | Path | Mapping,
        classes: Sequence[str],
        min_confidence: float | Mapping[str, float] = 0.0,
        mover_margin: float = 0.0,
        ego_body: Mapping[str, Region] | None = None,
        teacher: str | None = None,
        label_file: str = LABEL_FILE,
        confidence_file: str | None = CONFIDENCE_FILE,
        manifest: str | None = MANIFEST,
    ) -> None:
        self.reader = PseudoLabelReader(root, label_file, confidence_file, manifest, teacher)
        self.classes = tuple(classes)
        self.min_confidence = per_class('min_confidence', min_confidence, self.classes) * 255
        if not 0 <= mover_margin <= 0.5:
            raise ValueError(
                f'mover_margin is a fraction of the image width and must be in [0, 0.5], got {mover_margin}'
            )
        self.mover_margin = mover_margin
        self.ego_body = EgoBody(ego_body)
        names = LabelMap.load(label_map)
        teacher_classes = self.reader.class_names or names.class_names
        lacking = names.lacking(teacher_classes, self.classes)
        self.available = tuple(name for name in self.classes if name not in lacking)
        if not self.available:
            raise ValueError('; '.join(lacking.values()) or 'classes must name at least one target, got none')
        for name, reason in lacking.items():
            warn_once(f'{reason}. Going on without {name!r}: it is ignored everywhere')
        # Ids beyond the classes of the teacher (unlabelled, void) are ignored.
        self.table = np.full((256, len(self.classes)), IGNORE, np.uint8)
        columns = [self.classes.index(name) for name in self.available]
        self.table[: len(teacher_classes), columns] = names.table(teacher_classes, self.available)
        self.moving = np.zeros(256, np.uint8)
        if mover_margin:
            self.moving[: len(teacher_classes)] = names.moving(teacher_classes)

    def read(
        self,
        camera: str,
        stem: str,
        token: str = '',
        size: Sequence[int] | None = None,
        image: SourceImage | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:  # (H, W) uint8, (H, W) uint8
        """The class ids of one image, 255 where they are ignored, and the confidence, 0 there.

        The folder has labels of the distorted image files; the result is undistorted, each pixel from the nearest one,
        and ignored where the file has no content.

        Args:
            camera: name of the camera.
            stem: of the file name of the image.
            token: of the frame, for error messages.
            size: height and width of the undistorted image.
            image: see `PseudoLabelReader.read`, and its lens.

        Raises:
            FileNotFoundError: a missing file, with its path and the token of the frame.
            ValueError: a broken file, or labels of another size than their image.
        """
        ids, confidence = self.reader.read(camera, stem, token, image)
        lens = None if image is None else image.lens
        size = size if lens is None else lens.size
        if size is not None and ids.shape != tuple(size):
            raise ValueError(
                f'pseudo-label of {camera}/{stem} (frame {token}) is {ids.shape} (height, width), its image '
                f'is {(int(size[0]), int(size[1]))}'
            )
        if confidence is None:
            confidence = np.full(ids.shape, 255, np.uint8)
        for ignored in (self._near_movers(ids), self.ego_body.mask(camera, *ids.shape)):
            if ignored is not None:
                np.copyto(ids, IGNORE, where=ignored)
                np.copyto(confidence, 0, where=ignored)
        if lens is not None:
            ids, confidence = lens.undistort_labels(ids, IGNORE), lens.undistort_labels(confidence, 0)
        return ids, confidence

    def targets(
        self,
        ids: np.ndarray,  # (...) uint8
        confidence: np.ndarray,  # (...) uint8
    ) -> np.ndarray:  # (..., K) uint8
        """The value of each target: 1, 0 or 255 = ignore."""
        values = self.table.take(ids, axis=0)
        for k, threshold in enumerate(self.min_confidence):
            if threshold:
                values[confidence < threshold, k] = IGNORE
        return values

    def soft_targets(
        self,
        ids: np.ndarray,  # (h k, w k) uint8
        confidence: np.ndarray,  # (h k, w k) uint8
        k: int,
    ) -> np.ndarray:  # (K, h, w) uint8
        """The fraction of each class among the labelled pixels of each k x k block, see `block_shares`."""
        certain = {threshold: _certain(ids, confidence, threshold) for threshold in set(self.min_confidence)}
        pairs = zip(self.table.T, self.min_confidence, strict=True)
        return np.stack([block_shares(certain[threshold], values, k) for values, threshold in pairs])

    def _near_movers(self, ids: np.ndarray) -> np.ndarray | None:
        return near_movers(cv2.LUT(ids, self.moving).view(bool), self.mover_margin) if self.mover_margin else None


def _certain(ids: np.ndarray, confidence: np.ndarray, threshold: float) -> np.ndarray:
    """The ids, 255 where the confidence is below the threshold."""
    if threshold == 0:
        return ids
    doubtful = np.where(np.arange(256) < threshold, IGNORE, 0).astype(np.uint8)
    return cv2.bitwise_or(ids, cv2.LUT(confidence, doubtful))


def per_class(argument: str, value: float | Mapping[str, float], classes: Sequence[str]) -> np.ndarray:  # (K,)
    """A threshold for each class from one for all, or from one by name (0 for the others).

    Raises:
        ValueError: an unknown class or a threshold outside 0 ... 1, naming the argument.
    """
    if isinstance(value, Mapping):
        unknown = sorted(set(value) - set(classes))
        if unknown:
            raise ValueError(f'{argument} names {unknown}, which are not among classes {tuple(classes)}')
        thresholds = [value.get(name, 0.0) for name in classes]
    else:
        thresholds = [value] * len(classes)
    if not all(0 <= threshold <= 1 for threshold in thresholds):
        raise ValueError(f'{argument} must be in [0, 1], got {value}')
    return np.array(thresholds, np.float64)
