"""Load the images of a window with their calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ssl_bev.files import read_picture
from ssl_bev.files.lens import Lens, file_size

from ..calibration import window_calibration


@TRANSFORMS.register_module()
class LoadBEVImages(BaseTransform):
    """Load the T x N images of a window, undistorted, and compose the matrices that later transforms update.

    Required Keys: frames, camera_names, bev_frame, data_root, data_prefix; optional allow_missing_cameras,
    frames_may_lack_cameras

    Added Keys:
        - img: list of T lists of N arrays (H, W, 3) uint8, BGR
        - img_paths: list of T lists of N paths, '' where a camera is missing
        - camera_valid: (T, N) bool, False where a camera is missing; its image is then black
        - cam2img: (T, N, 4, 4) float64
        - bev2cam: (T, N, 4, 4) float64; `bev2img = cam2img @ bev2cam`
        - img_aug: (T, N, 3, 3) float64, from pixels of the loaded image to pixels of `img`
        - ori_shape: (T, N, 2), height and width of the loaded images
        - bev2global, road2bev: (T, 4, 4) float64
        - road_heights: (T, h, w), or (T, 0, 0) if the roads are planes, with road_grid; only where the road is known

    Raises:
        FileNotFoundError: a missing image, with its path and the frame's token.
        ValueError: a frame without any camera; a truncated or unreadable image, or one of another size than the info
            file says.
    """

    def transform(self, results: dict) -> dict:
        names = results['camera_names']
        loaded: dict[str, list[np.ndarray]] = {}  # a padded window repeats its first frame
        images, paths = [], []
        for frame in results['frames']:
            frame_paths = [image_path(results, frame, name) for name in names]
            if frame['token'] not in loaded:
                loaded[frame['token']] = self._load_all(frame_paths, frame, names)
            images.append(list(loaded[frame['token']]))
            paths.append([str(path or '') for path in frame_paths])
        results['img'] = images
        results['img_paths'] = paths
        results['camera_valid'] = np.array([[bool(path) for path in row] for row in paths])
        results |= window_calibration(results['frames'], names, results['bev_frame'])
        results['img_aug'] = np.tile(np.eye(3), (len(images), len(names), 1, 1))
        results['ori_shape'] = np.array([[image.shape[:2] for image in row] for row in images])
        return results

    def _load_all(self, paths: Sequence[Path | None], frame: dict, names: Sequence[str]) -> list[np.ndarray]:
        pictures = [path and read_image(path, frame, name) for path, name in zip(paths, names, strict=True)]
        there = [picture for picture in pictures if picture is not None]
        if not there:
            raise ValueError(f'frame {frame["token"]} has none of the cameras {list(names)}; leave it out of ann_file')
        return [np.zeros_like(there[0]) if picture is None else picture for picture in pictures]

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


def read_image(path: str | Path, frame: Mapping, name: str) -> np.ndarray:  # (H, W, 3) uint8, BGR
    """Read the image of a camera of a frame, undistorted if the lens distorts.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged image, or one of another size than the info file says.
    """
    camera, token = frame['images'][name], frame['token']
    picture = read_picture(path, context=f'frame {token}')
    expected = file_size(camera) or picture.shape[:2]
    if picture.shape[:2] != expected:
        raise ValueError(
            f'{path} (frame {token}) is {picture.shape[:2]} (height, width), its info file says {expected}: '
            'the calibration does not belong to this picture'
        )
    lens = Lens.of(camera)
    return picture if lens is None else lens.undistort(picture)


def image_path(results: dict, frame: dict, name: str, must_exist: bool = True) -> Path | None:
    """The path of the image of a camera; None if the frame lacks it and is allowed to.

    With `must_exist` False, an entry in the info file is enough.
    """
    may_miss = results.get('allow_missing_cameras', False)
    if name not in frame['images'] and (may_miss or results.get('frames_may_lack_cameras', False)):
        return None
    path = Path(results['data_root'], results['data_prefix'].get(name, ''), frame['images'][name]['img_path'])
    return None if may_miss and must_exist and not path.is_file() else path
