# ruff: noqa: NPY002  (data workers seed the global generator)
"""Image augmentation with the calibration kept right.

Convention: the centre of the top-left pixel is (0.5, 0.5), so that resizing by s multiplies u by s, cropping at x0
subtracts x0, and flipping turns u into width - u, all exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

CROP_X = ('center', 'random')
CROP_Y = ('bottom', 'center', 'top', 'random')


@TRANSFORMS.register_module()
class ResizeCropFlipImages(BaseTransform):
    """Resize each image, crop it to one size, and randomly flip it.

    An image is first scaled so that its width fits the final width, times a factor; then cropped, or padded with
    black if it is too small. One draw is used for all frames of a window.

    Required Keys: img, cam2img, img_aug

    Modified Keys: img, cam2img, img_aug

    Added Keys: img_shape

    Args:
        size: final height and width, pixels.
        resize: lowest and highest factor of this scale.
        crop_x: 'center' or 'random'.
        crop_y: 'bottom' (drops the sky), 'center', 'top' or 'random'.
        flip_prob: probability of a mirrored image.
        per_camera: True: one draw for each camera; False: one for all.
        training: False: factor 1, no flip, and 'random' crops become 'center' (x) and 'bottom' (y).
    """

    def __init__(
        self,
        size: Sequence[int],
        resize: Sequence[float] = (1.0, 1.0),
        crop_x: str = 'center',
        crop_y: str = 'bottom',
        flip_prob: float = 0.0,
        per_camera: bool = False,
        training: bool = True,
    ) -> None:
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f'size must be (height, width) in pixels, got {tuple(size)}')
        if len(resize) != 2 or not 0 < resize[0] <= resize[1]:
            raise ValueError(f'resize must be (low, high) with 0 < low <= high, got {tuple(resize)}')
        for name, value, allowed in (('crop_x', crop_x, CROP_X), ('crop_y', crop_y, CROP_Y)):
            if value not in allowed:
                raise ValueError(f'{name} must be one of {allowed}, got {value!r}')
        if not 0 <= flip_prob <= 1:
            raise ValueError(f'flip_prob must be in [0, 1], got {flip_prob}')
        self.size = (int(size[0]), int(size[1]))
        self.resize = (float(resize[0]), float(resize[1]))
        self.crop_x = crop_x if training or crop_x != 'random' else 'center'
        self.crop_y = crop_y if training or crop_y != 'random' else 'bottom'
        self.flip_prob = flip_prob
        self.per_camera = per_camera
        self.training = training

    def transform(self, results: dict) -> dict:
        num_cameras = len(results['img'][0])
        draws = [self._draw() for _ in range(num_cameras if self.per_camera else 1)]
        draws = draws if self.per_camera else draws * num_cameras
        results['cam2img'], results['img_aug'] = results['cam2img'].copy(), results['img_aug'].copy()
        for t, row in enumerate(results['img']):
            done: dict[int, tuple[np.ndarray, np.ndarray]] = {}
            for n, image in enumerate(row):
                done[n] = self._apply(image, draws[n])
                pixels = done[n][1]
                results['img_aug'][t, n] = pixels @ results['img_aug'][t, n]
                results['cam2img'][t, n, :3] = pixels @ results['cam2img'][t, n, :3]
            results['img'][t] = [done[n][0] for n in range(num_cameras)]
        results['img_shape'] = self.size
        return results

    def _draw(self) -> tuple[float, float, float, bool]:
        """Scale factor, crop position in x and y as fractions of the removed part, and whether to flip."""
        fixed = {'center': 0.5, 'bottom': 1.0, 'top': 0.0}
        factor = np.random.uniform(*self.resize) if self.training else 1.0
        left = np.random.uniform() if self.crop_x == 'random' else fixed[self.crop_x]
        top = np.random.uniform() if self.crop_y == 'random' else fixed[self.crop_y]
        return factor, left, top, bool(self.training and np.random.uniform() < self.flip_prob)

    def _apply(
        self, image: np.ndarray, draw: tuple[float, float, float, bool]
    ) -> tuple[np.ndarray, np.ndarray]:  # (H, W, 3), (3, 3)
        factor, left, top, flip = draw
        height, width = self.size
        old_height, old_width = image.shape[:2]
        scale = factor * width / old_width
        new_width, new_height = max(1, round(old_width * scale)), max(1, round(old_height * scale))
        image = _resize(image, new_height, new_width)
        x0, y0 = round(left * (new_width - width)), round(top * (new_height - height))
        cropped = _crop(image, x0, y0, height, width)
        # The true scales of both axes, after rounding to whole pixels.
        pixels = np.diag([new_width / old_width, new_height / old_height, 1.0])
        pixels[:2, 2] = -x0, -y0
        if flip:
            cropped = cropped[:, ::-1]
            pixels = np.array([[-1.0, 0, width], [0, 1, 0], [0, 0, 1]]) @ pixels
        return np.ascontiguousarray(cropped), pixels

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(size={self.size}, resize={self.resize}, crop_x={self.crop_x!r}, '
            f'crop_y={self.crop_y!r}, flip_prob={self.flip_prob}, per_camera={self.per_camera}, '
            f'training={self.training})'
        )


def _resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize; when the image is reduced, all pixels have equal weight, so that thin paint does not disappear."""
    old_height, old_width = image.shape[:2]
    if (old_height, old_width) == (height, width):
        return image
    if width >= old_width:
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    if old_height % height == old_width % width == 0:
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    # INTER_AREA takes three times as long at any other scale.
    planes = torch.from_numpy(image).permute(2, 0, 1)[None]
    shrunk = F.interpolate(planes, size=(height, width), mode='bilinear', antialias=True)
    return shrunk[0].permute(1, 2, 0).numpy()


def _crop(image: np.ndarray, x0: int, y0: int, height: int, width: int) -> np.ndarray:
    inside = image[max(y0, 0) : y0 + height, max(x0, 0) : x0 + width]
    if inside.shape[:2] == (height, width):
        return inside
    padded = np.zeros((height, width, *image.shape[2:]), image.dtype)
    row, column = max(-y0, 0), max(-x0, 0)
    padded[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    return padded
