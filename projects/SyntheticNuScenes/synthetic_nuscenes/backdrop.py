"""The background: sky, clouds and a skyline of trees and houses."""

from __future__ import annotations

import cv2
import numpy as np

from .class_names import class_id
from .look import Look

_SKY, _VEGETATION, _BUILDING = (class_id(n) for n in ('Sky', 'Vegetation', 'Building'))


class Backdrop:
    """A panorama around the world.

    Args:
        seed: Chooses skyline and clouds.
    """

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([23, seed & 0x7FFFFFFF])
        count = 1440
        trees = np.zeros(count)
        for knots in (24, 90, 360):
            noise = rng.random(knots)
            trees += (
                np.interp(np.arange(count) * knots / count, np.arange(knots + 1), np.append(noise, noise[0]))
                / knots**0.4
            )
        self._trees = 0.012 + 0.05 * trees / trees.max()  # tangent of the elevation
        self._houses = np.zeros(count)
        self._shade = np.ones(count)
        for _ in range(int(rng.integers(20, 50))):
            at, width = int(rng.integers(count)), int(rng.integers(8, 40))
            columns = (at + np.arange(width)) % count
            self._houses[columns] = rng.uniform(0.03, 0.13)
            self._shade[columns] = rng.uniform(0.6, 1.2)
        self._clouds = cv2.resize(
            rng.normal(0, 1, (24, 128)).astype(np.float32), (1024, 256), interpolation=cv2.INTER_CUBIC
        )

    def paint(self, rays: np.ndarray, look: Look) -> tuple[np.ndarray, np.ndarray]:
        """Return colours (..., 3) float32 and class ids (...) seen along world directions ``rays`` (..., 3)."""
        across = np.maximum(np.hypot(rays[..., 0], rays[..., 1]), 1e-6)
        rise = (rays[..., 2] / across).astype(np.float32)
        turn = np.arctan2(rays[..., 1], rays[..., 0]) / (2 * np.pi) % 1.0
        low, top = np.float32(look.sky_low), np.float32(look.sky_top)
        share = np.clip(rise * 1.6, 0, 1)[..., None] ** 0.7
        colour = low * (1 - share) + top * share
        columns = (turn * 1023).astype(np.float32)
        cloud = cv2.remap(self._clouds, columns, np.clip(rise * 300, 0, 255), cv2.INTER_LINEAR)
        bright = float(np.mean(look.sky_low)) / 230
        colour += np.clip(cloud, 0, 2)[..., None] * 14 * bright
        classes = np.full(rise.shape, _SKY, np.uint8)
        bin_of = np.minimum((turn * len(self._trees)).astype(int), len(self._trees) - 1)
        light = np.float32(look.ambient) + 0.5 * np.float32(look.sun)
        for profile, albedo, value in (
            (self._houses, (130, 134, 138), _BUILDING),
            (self._trees, (38, 66, 52), _VEGETATION),
        ):
            hidden = rise < profile[bin_of]
            tone = self._shade[bin_of][..., None] if value == _BUILDING else 1.0
            far = np.exp(-160 / look.haze)
            body = np.float32(albedo) * tone * light * far + low * (1 - far)
            colour = np.where(hidden[..., None], body, colour)
            classes[hidden] = value
        return colour.astype(np.float32), classes
