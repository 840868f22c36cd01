"""The calibration of a window without reading its images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ssl_bev.files.pictures import picture_size

from ..calibration import window_calibration
from .load_images import image_path


@TRANSFORMS.register_module()
class LoadCalibration(BaseTransform):
    """Compose the matrices that `LoadBEVImages` composes, for a model that uses points and no images.

    So `LoadPseudoLabels` works without images: its labels cover the whole image files. These files need not
    exist if the info file contains their size.

    Required Keys: frames, camera_names, bev_frame, data_root, data_prefix; optional allow_missing_cameras,
    frames_may_lack_cameras

    Added Keys:
        - cam2img, bev2cam: (T, N, 4, 4) float64; `bev2img = cam2img @ bev2cam`
        - bev2global, road2bev: (T, 4, 4) float64
        - road_heights: (T, h, w), or (T, 0, 0) if the roads are planes, with road_grid; only where the road is known
        - img_aug: (T, N, 3, 3) float64, identities
        - ori_shape: (T, N, 2), height and width of the image files; img_shape: the same, of all of them
        - img_paths: list of T lists of N paths, '' where a camera is missing
        - camera_valid: (T, N) bool, False where a camera is missing

    Raises:
        FileNotFoundError: a missing image whose size is not in the info file, with its path.
        ValueError: a frame without any camera, or image files of different sizes.
    """

    def transform(self, results: dict) -> dict:
        names, frames = results['camera_names'], results['frames']
        paths = [[image_path(results, frame, name, must_exist=False) for name in names] for frame in frames]
        for frame, row in zip(frames, paths, strict=True):
            if not any(row):
                raise ValueError(
                    f'frame {frame["token"]} has none of the cameras {list(names)}; leave it out of ann_file'
                )
        sizes = {
            image_file_size(frame['images'][name], path)
            for frame, row in zip(frames, paths, strict=True)
            for name, path in zip(names, row, strict=True)
            if path is not None
        }
        if len(sizes) != 1:
            raise ValueError(
                f'the image files of sample {frames[-1]["token"]} must have one size (height, width) where they are '
                f'not resized, got {sorted(sizes)}'
            )
        size = sizes.pop()
        results |= window_calibration(frames, names, results['bev_frame'])
        results['img_aug'] = np.tile(np.eye(3), (len(frames), len(names), 1, 1))
        results['ori_shape'] = np.tile(size, (len(frames), len(names), 1))
        results['img_shape'] = size
        results['img_paths'] = [[str(path or '') for path in row] for row in paths]
        results['camera_valid'] = np.array([[path is not None for path in row] for row in paths])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


def image_file_size(camera: Mapping, path: str | Path | None = None) -> tuple[int, int]:
    """Height and width of the undistorted image of a camera, from the info file or the header of the image file."""
    known = camera.get('height') and camera.get('width')
    return (int(camera['height']), int(camera['width'])) if known else picture_size(path or camera['img_path'])
