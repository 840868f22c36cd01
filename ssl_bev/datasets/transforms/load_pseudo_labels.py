"""Load pseudo-labels onto the augmented images and turn them into training targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ssl_bev.geometry import Road, pixel_grid, pixels_on_road
from ssl_bev.pseudo_labels.block_average import block_means, oversampling, warp_labels
from ssl_bev.pseudo_labels.layout import CONFIDENCE_FILE, LABEL_FILE
from ssl_bev.pseudo_labels.manifest import MANIFEST
from ssl_bev.pseudo_labels.source_image import SourceImage, source_image
from ssl_bev.pseudo_labels.target_reader import TargetReader
from ssl_bev.pseudo_labels.validity import Region, check_cameras
from ssl_bev.targets import IGNORE


@TRANSFORMS.register_module()
class LoadPseudoLabels(BaseTransform):
    """Read pseudo-labels, averaged over blocks of `stride` pixels of the augmented images.

    Put it after the image augmentation: each target cell (i, j) is at the image position
    ((j + 0.5) stride, (i + 0.5) stride). The block around it is read through `img_aug` at the resolution of the label
    file, about k x k of its pixels, and each class gets its fraction of the labelled ones. So paint that is thinner
    than a block is not lost, and labels are ignored at full resolution, with any augmentation.

    Frames that a window repeats at the start of a scene (`frame_valid` is False) are not read and completely ignored.

    Required Keys: frames, camera_names, img_aug, ori_shape, img_shape; cam2img, bev2cam, road2bev with `max_distance`;
    optional road_heights and road_grid, camera_valid, frame_valid, data_prefix, img_paths, shared_names

    Added Keys (for the last T' frames of the window, so index them from the end):
        - pseudo_target: (T', N, K, h, w) uint8, 0 ... 254 = fraction of the class in 254ths, 255 = ignore, where fewer
          than half of a block's pixels are labelled
        - pseudo_confidence: (T', N, h, w) uint8, mean over the block, 255 = certain, 0 where all is ignored
        - pseudo_classes, pseudo_stride

    Args:
        root: pseudo-label folder.
        label_map: name or file of a label map, or its content.
        classes: targets, the K channels.
        stride: pixels of the augmented image per target cell: a whole number that divides its size, or 1/n for targets
            finer than the image.
        min_confidence: pixels of the file below this are ignored; one value, or one for each class.
        mover_margin: labels this close to a mover are ignored, as a fraction of the width of the original image (0.005
            is 8 pixels of 1600), because of shadows, blurred edges and missed wheels. The label map defines the movers.
        ego_body: camera -> region of the ego vehicle: a fraction of the height of the original image, below which all
            rows are ignored (`dict(CAM_BACK=0.83)`), or a polygon of (u, v), fractions of width and height.
        max_distance: labels whose road point is farther from the camera, in metres along the road, are
            ignored, and so is everything above the horizon; None: no limit.
        teacher: name of the teacher that the manifest must have; None: any.
        label_file, confidence_file, manifest: as in `PseudoLabelReader`. Without a manifest, ids follow the class names
            of the label map.
        ignore_cameras: cameras whose labels are all ignored.
        num_frames: read only the last n frames of the window, T' = min(n, T), whose labels are used; None: all.

    Raises:
        FileNotFoundError: a missing label, with path and frame token.
        ValueError: a camera of `ignore_cameras` or `ego_body` that the window lacks, another teacher, an unknown
            class, a label of another image or of another size than its image, an image augmentation that is not affine.
    """

    def __init__(
        self,
        root: str,
        label_map: str | Mapping,
        classes: Sequence[str] = ('drivable', 'marking', 'crosswalk'),
        stride: float = 4,
        min_confidence: float | Mapping[str, float] = 0.0,
        mover_margin: float = 0.0,
        ego_body: Mapping[str, Region] | None = None,
        max_distance: float | None = None,
        teacher: str | None = None,
        label_file: str = LABEL_FILE,
        confidence_file: str | None = CONFIDENCE_FILE,
        manifest: str | None = MANIFEST,
        ignore_cameras: Sequence[str] = (),
        num_frames: int | None = None,
    ) -> None:
        if num_frames is not None and (not isinstance(num_frames, int) or num_frames < 1):
            raise ValueError(f'num_frames must be a positive integer or None, got {num_frames!r}')
        if max_distance is not None and not max_distance > 0:
            raise ValueError(f'max_distance must be positive (metres) or None, got {max_distance}')
        self.labels = TargetReader(
            root, label_map, classes, min_confidence, mover_margin, ego_body, teacher, label_file, confidence_file,
            manifest,
        )  # fmt: skip
        self.stride = _check_stride(stride)
        self.num_frames = num_frames
        self.max_distance = max_distance
        self.ignore_cameras = frozenset(ignore_cameras)

    def transform(self, results: dict) -> dict:
        check_cameras('ignore_cameras', self.ignore_cameras, results['camera_names'])
        check_cameras('ego_body', self.labels.ego_body.polygons, results['camera_names'])
        size = self._target_size(results['img_shape'])
        window, num_cameras = results['img_aug'].shape[:2]
        frames = range(max(0, window - (self.num_frames or window)), window)
        used = np.array([name not in self.ignore_cameras for name in results['camera_names']])
        used = used & results.get('camera_valid', np.ones((window, num_cameras), bool))
        used = used & np.asarray(results.get('frame_valid', np.ones(window, bool)), bool)[:, None]
        target = np.full((len(frames), num_cameras, len(self.labels.classes), *size), IGNORE, np.uint8)
        confidence = np.zeros((len(frames), num_cameras, *size), np.uint8)
        files = self._files(results, frames)
        for i, t in enumerate(frames):
            if not used[t].any():
                continue
            for n in np.flatnonzero(used[t]):
                target[i, n], confidence[i, n] = self._read(results, t, n, size, files)
            if self.max_distance is not None:
                far = ~self._near(results, t, size)
                target[i].transpose(0, 2, 3, 1)[far] = IGNORE
                confidence[i][far] = 0
        results['pseudo_target'] = target
        results['pseudo_confidence'] = confidence
        results['pseudo_classes'] = list(self.labels.classes)
        results['pseudo_stride'] = self.stride
        return results

    def _target_size(self, image_size: Sequence[int]) -> tuple[int, int]:
        height, width = image_size
        if self.stride >= 1 and (height % self.stride or width % self.stride):
            raise ValueError(f'stride {self.stride} must divide the image size (height, width) = {(height, width)}')
        return round(height / self.stride), round(width / self.stride)

    def _read(
        self, results: dict, t: int, n: int, size: tuple[int, int], file: Callable
    ) -> tuple[np.ndarray, np.ndarray]:  # (K, h, w), (h, w)
        file2image = results['img_aug'][t, n]
        k = oversampling(file2image, self.stride)
        ids, confidence = (
            warp_labels(labels, file2image, self.stride / k, (size[0] * k, size[1] * k), outside)
            for labels, outside in zip(file(t, n), (IGNORE, 0), strict=True)
        )
        return self.labels.soft_targets(ids, confidence, k), block_means(confidence, k)

    def _files(self, results: dict, frames: Sequence[int]) -> Callable:
        """Reads the label file of a camera and frame; a frame that the window repeats is read only once."""
        tokens = [results['frames'][t]['token'] for t in frames]
        kept: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]] = {}

        def read(t: int, n: int) -> tuple[np.ndarray, np.ndarray]:
            frame, camera = results['frames'][t], results['camera_names'][n]
            if (frame['token'], n) in kept:
                return kept[frame['token'], n]
            size = tuple(int(s) for s in results['ori_shape'][t, n])
            stem = Path(frame['images'][camera]['img_path']).stem
            found = self.labels.read(camera, stem, frame['token'], size, _source(results, t, n, stem))
            if tokens.count(frame['token']) > 1:
                kept[frame['token'], n] = found
            return found

        return read

    def _near(self, results: dict, t: int, size: tuple[int, int]) -> np.ndarray:  # (N, h, w) bool
        """True where the road behind a block's centre lies within `max_distance` of the camera."""
        pixels = (pixel_grid(size, dtype=torch.float64) * self.stride).flatten(0, 1)
        num_cameras = len(results['camera_names'])
        bev2img = torch.from_numpy(results['cam2img'][t] @ results['bev2cam'][t])
        xy, _, below_horizon = pixels_on_road(pixels, bev2img, _road(results, t))
        camera = torch.from_numpy(np.linalg.inv(results['bev2cam'][t])[:, None, :2, 3])
        # The BEV frame may be scaled.
        metre = torch.from_numpy(np.linalg.norm(results['bev2cam'][t][:, :3, 0], axis=-1))[:, None]
        near = below_horizon & ((xy - camera).norm(dim=-1) * metre <= self.max_distance)
        return near.numpy().reshape(num_cameras, *size)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(root={str(self.labels.reader.root)!r}, classes={self.labels.classes}, '
            f'stride={self.stride}, num_frames={self.num_frames})'
        )


def _road(results: Mapping, t: int) -> Road:
    """The ground of a frame, the same for each of its cameras."""
    heights = results.get('road_heights')
    heights = None if heights is None else torch.from_numpy(np.asarray(heights[t : t + 1], np.float64))
    road2bev = torch.from_numpy(np.asarray(results['road2bev'][t : t + 1]))
    return Road(road2bev, heights, results.get('road_grid'))


def _source(results: Mapping, t: int, n: int, stem: str) -> SourceImage:
    """Which image the labels must be of."""
    camera = results['camera_names'][n]
    folder = results.get('data_prefix', {}).get(camera, '')
    file = results['img_paths'][t][n] if 'img_paths' in results else None
    is_shared = (camera, stem) in results.get('shared_names', ())
    return source_image(results['frames'][t], camera, folder, file, is_shared)


def _check_stride(stride: float) -> float:
    parts = 1 / stride if isinstance(stride, Real) and 0 < stride < 1 else stride
    if not isinstance(parts, Real) or parts < 1 or abs(parts - round(parts)) > 1e-6:
        raise ValueError(f'stride must be a positive whole number or 1/n, got {stride!r}')
    return round(parts) if stride >= 1 else 1 / round(parts)
