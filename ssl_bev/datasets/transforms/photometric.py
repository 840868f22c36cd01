# ruff: noqa: NPY002  (data workers seed the global generator)
"""Colour jitter for multi-view windows."""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS


@TRANSFORMS.register_module()
class JitterColors(BaseTransform):
    """Change brightness, contrast, saturation and hue; one draw for all images of a window, or one for each camera.

    mmdet's PhotoMetricDistortion takes one image and would draw other values for each frame of a window.

    Required Keys: img

    Modified Keys: img

    Args:
        brightness: largest shift, as a fraction of the full range.
        contrast: largest relative change about mid-grey.
        saturation: largest relative change.
        hue: largest shift, degrees.
        per_camera: True: one draw for each camera; False: one for all.
    """

    def __init__(
        self,
        brightness: float = 0.125,
        contrast: float = 0.3,
        saturation: float = 0.3,
        hue: float = 10.0,
        per_camera: bool = False,
    ) -> None:
        for name, value, highest in (
            ('brightness', brightness, 1),
            ('contrast', contrast, 1),
            ('saturation', saturation, 1),
            ('hue', hue, 180),
        ):
            if not 0 <= value <= highest:
                raise ValueError(f'{name} must be in [0, {highest}], got {value}')
        self.limits = (brightness, contrast, saturation, hue)
        self.per_camera = per_camera

    def transform(self, results: dict) -> dict:
        num_cameras = len(results['img'][0])
        draws = [np.random.uniform(-1, 1, 4) * self.limits for _ in range(num_cameras if self.per_camera else 1)]
        draws = draws if self.per_camera else draws * num_cameras
        results['img'] = [[self._apply(image, draws[n]) for n, image in enumerate(row)] for row in results['img']]
        return results

    @staticmethod
    def _apply(image: np.ndarray, draw: np.ndarray) -> np.ndarray:
        brightness, contrast, saturation, hue = draw
        values = np.arange(256, dtype=np.float32)
        table = np.clip((values - 127.5) * (1 + contrast) + 127.5 + 255 * brightness, 0, 255).astype(np.uint8)
        image = cv2.LUT(image, table)
        if saturation == 0 and hue == 0:
            return image
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)  # OpenCV's hue is in units of 2 degrees
        hues = ((values + hue / 2) % 180).astype(np.uint8)
        saturations = np.clip(values * (1 + saturation), 0, 255).astype(np.uint8)
        lookup = np.stack([hues, saturations, values.astype(np.uint8)], -1)[None]
        return cv2.cvtColor(cv2.LUT(hsv, lookup), cv2.COLOR_HSV2BGR)

    def __repr__(self) -> str:
        names = ('brightness', 'contrast', 'saturation', 'hue')
        values = ', '.join(f'{name}={value}' for name, value in zip(names, self.limits, strict=True))
        return f'{type(self).__name__}({values}, per_camera={self.per_camera})'
