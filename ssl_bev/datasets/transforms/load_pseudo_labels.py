"""Load pseudo-labels onto the augmented images and turn them into training targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ssl_bev.geometry import ground_homography, pixels_to_ground
from ssl_bev.pseudo_labels.storage import CONFIDENCE_FILE, LABEL_FILE, MANIFEST
from ssl_bev.pseudo_labels.target_reader import TargetReader
from ssl_bev.pseudo_labels.validity import Region
from ssl_bev.targets import IGNORE


@TRANSFORMS.register_module()
class LoadPseudoLabels(BaseTransform):
    """Read the teacher's labels at every `stride`-th position of the augmented images.

    Put it after the image augmentation: each target cell (i, j) stands for the image position
    ((j + 0.5) stride, (i + 0.5) stride), goes back through `img_aug`, and takes the label of the pixel it falls into.
    So labels, and what of them is ignored, are sampled once, at full resolution, whatever the augmentation was.

    Required Keys: frames, camera_names, img_aug, ori_shape, img_shape; cam2img, bev2cam, road2bev with `max_distance`;
    optional camera_valid

    Added Keys:
        - pseudo_target: (T, N, K, h, w) uint8, 1, 0 or 255 = ignore
        - pseudo_confidence: (T, N, h, w) uint8, 255 = certain, 0 where all is ignored
        - pseudo_classes, pseudo_stride

    Args:
        root: pseudo-label folder.
        label_map: name or file of a label map, or its content.
        classes: targets, the K channels.
        stride: pixels of the augmented image per target cell; must divide its size.
        min_confidence: labels below become ignored; one value, or one for each class.
        mover_margin: labels this near to a mover are ignored, as a fraction of the original image's width (0.005 is
            8 pixels of 1600): shadows, blurred edges and missed wheels are there. What moves says the label map.
        ego_body: camera -> where it sees its own vehicle: a fraction of the original image's height, below which all
            rows are ignored (`dict(CAM_BACK=0.83)`), or a polygon of (u, v), fractions of width and height.
        max_distance: labels whose point on the road lies farther from the camera, in metres along the road, are
            ignored, and so is all above the horizon; None: no limit.
        teacher: the teacher's name that the manifest must have; None: any.
        label_file, confidence_file, manifest: as in `PseudoLabelReader`. Without a manifest, ids count along the
            label map's own class names.
        ignore_cameras: cameras whose labels are all ignored.

    Raises:
        FileNotFoundError: a missing label, with path and frame token.
        ValueError: a camera of `ignore_cameras` or `ego_body` that the window lacks, another teacher, an unknown
            class, a label of another size than its image.
    """

    def __init__(
        self,
        root: str,
        label_map: str | Mapping,
        classes: Sequence[str] = ('drivable', 'marking', 'crosswalk'),
        stride: int = 4,
        min_confidence: float | Mapping[str, float] = 0.0,
        mover_margin: float = 0.0,
        ego_body: Mapping[str, Region] | None = None,
        max_distance: float | None = None,
        teacher: str | None = None,
        label_file: str = LABEL_FILE,
        confidence_file: str | None = CONFIDENCE_FILE,
        manifest: str | None = MANIFEST,
        ignore_cameras: Sequence[str] = (),
    ) -> None:
        if not isinstance(stride, int) or stride < 1:
            raise ValueError(f'stride must be a positive integer, got {stride!r}')
        if max_distance is not None and not max_distance > 0:
            raise ValueError(f'max_distance must be positive (metres) or None, got {max_distance}')
        self.labels = TargetReader(
            root, label_map, classes, min_confidence, mover_margin, ego_body, teacher, label_file, confidence_file,
            manifest,
        )  # fmt: skip
        self.stride = stride
        self.max_distance = max_distance
        self.ignore_cameras = frozenset(ignore_cameras)

    def transform(self, results: dict) -> dict:
        height, width = results['img_shape']
        if height % self.stride or width % self.stride:
            raise ValueError(f'stride {self.stride} must divide the image size (height, width) = {(height, width)}')
        self._check_cameras(results['camera_names'])
        v, u = ((np.arange(n // self.stride) + 0.5) * self.stride for n in (height, width))
        positions = np.stack([*np.meshgrid(u, v), np.ones((len(v), len(u)))], -1)
        num_frames, num_cameras = results['img_aug'].shape[:2]
        target = np.empty((num_frames, num_cameras, len(self.labels.classes), len(v), len(u)), np.uint8)
        confidence = np.empty((num_frames, num_cameras, len(v), len(u)), np.uint8)
        used = np.array([name not in self.ignore_cameras for name in results['camera_names']])
        used = used & results.get('camera_valid', np.ones((num_frames, num_cameras), bool))
        target[~used], confidence[~used] = IGNORE, 0
        for t, frame in enumerate(results['frames']):
            near = self._near(results, t, positions)
            for n in np.flatnonzero(used[t]):
                ids, certainty = self._sample(results, frame, results['camera_names'][n], t, n, positions)
                ids, confidence[t, n] = np.where(near[n], ids, IGNORE), np.where(near[n], certainty, 0)
                target[t, n] = self.labels.targets(ids, confidence[t, n]).transpose(2, 0, 1)
        results['pseudo_target'] = target
        results['pseudo_confidence'] = confidence
        results['pseudo_classes'] = list(self.labels.classes)
        results['pseudo_stride'] = self.stride
        return results

    def _sample(
        self, results: dict, frame: dict, camera: str, t: int, n: int, positions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:  # two of (h, w): ids and confidence, 255 and 0 outside the image
        stem = Path(frame['images'][camera]['img_path']).stem
        height, width = (int(size) for size in results['ori_shape'][t, n])
        ids, confidence = self.labels.read(camera, stem, frame['token'], (height, width))
        original = positions @ np.linalg.inv(results['img_aug'][t, n]).T
        columns, rows = np.floor(original[..., :2]).astype(np.int64).transpose(2, 0, 1)
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
        return np.where(inside, ids[rows, columns], IGNORE), np.where(inside, confidence[rows, columns], 0)

    def _near(self, results: dict, t: int, positions: np.ndarray) -> np.ndarray:  # (N, h, w) bool
        """True where the road behind the position lies within `max_distance` of the camera."""
        num_cameras = len(results['camera_names'])
        if self.max_distance is None:
            return np.ones((num_cameras, *positions.shape[:2]), bool)
        bev2img = torch.from_numpy(results['cam2img'][t] @ results['bev2cam'][t])
        homography = ground_homography(bev2img, torch.from_numpy(np.asarray(results['road2bev'][t])))
        pixels = torch.from_numpy(positions[..., :2].reshape(-1, 2)).expand(num_cameras, -1, -1)
        xy, _, below_horizon = pixels_to_ground(pixels, homography)
        camera = torch.from_numpy(np.linalg.inv(results['bev2cam'][t])[:, None, :2, 3])
        near = below_horizon & ((xy - camera).norm(dim=-1) <= self.max_distance)
        return near.numpy().reshape(num_cameras, *positions.shape[:2])

    def _check_cameras(self, camera_names: Sequence[str]) -> None:
        for argument, cameras in (('ignore_cameras', self.ignore_cameras), ('ego_body', self.labels.ego_body.polygons)):
            strangers = sorted(set(cameras).difference(camera_names))
            if strangers:
                raise ValueError(f'{argument} {strangers} are not among {list(camera_names)}')

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(root={str(self.labels.reader.root)!r}, classes={self.labels.classes}, '
            f'stride={self.stride})'
        )
