"""Load pseudo-labels onto the augmented images and turn them into training targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ssl_bev.pseudo_labels import LabelMap, PseudoLabelReader
from ssl_bev.pseudo_labels.storage import CONFIDENCE_FILE, LABEL_FILE, MANIFEST

IGNORE = 255


@TRANSFORMS.register_module()
class LoadPseudoLabels(BaseTransform):
    """Read the teacher's labels at every `stride`-th position of the augmented images.

    Put it after the image augmentation: each target cell (i, j) stands for the image position
    ((j + 0.5) stride, (i + 0.5) stride), goes back through `img_aug`, and takes the label of the pixel it falls into.
    So labels are sampled once, at full resolution, whatever the augmentation was.

    Required Keys: frames, camera_names, img_aug, ori_shape, img_shape

    Added Keys:
        - pseudo_target: (T, N, K, h, w) uint8, 1, 0 or 255 = ignore
        - pseudo_confidence: (T, N, h, w) uint8, 255 = certain, 0 outside the image
        - pseudo_classes, pseudo_stride

    Args:
        root: pseudo-label folder.
        label_map: name or file of a label map, or its content.
        classes: targets, the K channels.
        stride: pixels of the augmented image per target cell; must divide its size.
        min_confidence: labels below become ignored; one value, or one for each class.
        teacher: the teacher's name that the manifest must have; None: any.
        label_file, confidence_file, manifest: as in `PseudoLabelReader`. Without a manifest, ids count along the
            label map's own class names.
        ignore_cameras: cameras whose labels are all ignored.

    Raises:
        FileNotFoundError: a missing label, with path and frame token.
        ValueError: a camera to ignore that the window lacks, another teacher, an unknown class, a label of another
            size than its image.
    """

    def __init__(
        self,
        root: str,
        label_map: str | Mapping,
        classes: Sequence[str] = ('drivable', 'marking', 'crosswalk'),
        stride: int = 4,
        min_confidence: float | Mapping[str, float] = 0.0,
        teacher: str | None = None,
        label_file: str = LABEL_FILE,
        confidence_file: str | None = CONFIDENCE_FILE,
        manifest: str | None = MANIFEST,
        ignore_cameras: Sequence[str] = (),
    ) -> None:
        if not isinstance(stride, int) or stride < 1:
            raise ValueError(f'stride must be a positive integer, got {stride!r}')
        self.reader = PseudoLabelReader(root, label_file, confidence_file, manifest, teacher)
        self.classes = tuple(classes)
        self.stride = stride
        self.ignore_cameras = frozenset(ignore_cameras)
        if isinstance(min_confidence, Mapping):
            unknown = sorted(set(min_confidence) - set(self.classes))
            if unknown:
                raise ValueError(f'min_confidence names {unknown}, which are not among classes {self.classes}')
            lowest = [min_confidence.get(name, 0.0) for name in self.classes]
        else:
            lowest = [min_confidence] * len(self.classes)
        if not all(0 <= value <= 1 for value in lowest):
            raise ValueError(f'min_confidence must be in [0, 1], got {min_confidence}')
        self.min_confidence = np.array(lowest) * 255
        names = LabelMap.load(label_map)
        table = names.table(self.reader.class_names or names.class_names, self.classes)
        # Ids beyond the teacher's classes (unlabelled, void) are ignored.
        self.table = np.full((256, len(self.classes)), IGNORE, np.uint8)
        self.table[: len(table)] = table

    def transform(self, results: dict) -> dict:
        height, width = results['img_shape']
        if height % self.stride or width % self.stride:
            raise ValueError(f'stride {self.stride} must divide the image size (height, width) = {(height, width)}')
        v, u = ((np.arange(n // self.stride) + 0.5) * self.stride for n in (height, width))
        positions = np.stack([*np.meshgrid(u, v), np.ones((len(v), len(u)))], -1)
        strangers = self.ignore_cameras.difference(results['camera_names'])
        if strangers:
            raise ValueError(f'ignore_cameras {sorted(strangers)} are not among {list(results["camera_names"])}')
        num_frames, num_cameras = results['img_aug'].shape[:2]
        target = np.empty((num_frames, num_cameras, len(self.classes), len(v), len(u)), np.uint8)
        confidence = np.empty((num_frames, num_cameras, len(v), len(u)), np.uint8)
        for t, frame in enumerate(results['frames']):
            for n, name in enumerate(results['camera_names']):
                ids, certainty, inside = self._sample(results, frame, name, t, n, positions)
                values = self.table[ids]
                inside &= name not in self.ignore_cameras
                values[~inside[..., None] | (certainty[..., None] < self.min_confidence)] = IGNORE
                target[t, n] = values.transpose(2, 0, 1)
                confidence[t, n] = np.where(inside, certainty, 0)
        results['pseudo_target'] = target
        results['pseudo_confidence'] = confidence
        results['pseudo_classes'] = list(self.classes)
        results['pseudo_stride'] = self.stride
        return results

    def _sample(
        self, results: dict, frame: dict, camera: str, t: int, n: int, positions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # three of (h, w): ids, confidence, True inside the image
        stem = Path(frame['images'][camera]['img_path']).stem
        ids, confidence = self.reader.read(camera, stem, frame['token'])
        height, width = results['ori_shape'][t, n]
        if ids.shape != (height, width):
            raise ValueError(
                f'pseudo-label of {camera}/{stem} (frame {frame["token"]}) is {ids.shape} (height, width), its image '
                f'is {(int(height), int(width))}'
            )
        original = positions @ np.linalg.inv(results['img_aug'][t, n]).T
        columns, rows = np.floor(original[..., :2]).astype(np.int64).transpose(2, 0, 1)
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
        certainty = np.full(rows.shape, 255, np.uint8) if confidence is None else confidence[rows, columns]
        return ids[rows, columns], certainty, inside

    def __repr__(self) -> str:
        return f'{type(self).__name__}(root={str(self.reader.root)!r}, classes={self.classes}, stride={self.stride})'
