"""From light to a camera image: wet ground, the ego body, and the sensor itself."""

from __future__ import annotations

import zlib

import cv2
import numpy as np

from .class_names import class_id
from .ground_view import GroundView, pixel_rays
from .look import Look
from .structures import Camera

_DECK = 0.388  # of the focal length below the optical axis: where the rear deck begins in CAM_BACK


def wet_ground(colour: np.ndarray, view: GroundView, camera: Camera, look: Look, seed: int) -> np.ndarray:
    """Darken the ground (H, W, 3) and let it mirror the sky, most at grazing angles and in puddles."""
    if look.wetness <= 0:
        return colour
    above = max(float(camera.cam2world[2][3]), 0.5)
    depth = np.where(view.visible, view.depth, 60.0).astype(np.float32)
    grazing = 1 / (1 + (above / np.maximum(depth, 1.0) * 5) ** 2)
    noise = np.random.default_rng([29, seed & 0x7FFFFFFF]).random((64, 64)).astype(np.float32)
    cells = np.mod(view.points / 3.0, 63).astype(np.float32)
    wave = cv2.remap(noise, np.ascontiguousarray(cells[..., 0]), np.ascontiguousarray(cells[..., 1]), cv2.INTER_LINEAR)
    puddle = np.clip((wave - 0.62) * 5, 0, 1)
    columns = np.random.default_rng([31, seed & 0x7FFFFFFF]).random(max(camera.width // 6, 2)).astype(np.float32)
    streak = cv2.resize(columns[None], (camera.width, 1), interpolation=cv2.INTER_CUBIC)
    mirror = look.wetness * grazing * (0.28 + 0.5 * puddle + 0.25 * streak)
    mirror *= np.where(view.class_ids == class_id('Terrain'), 0.35, 1.0)  # grass drains
    mirror = np.clip(mirror, 0, 0.75)[..., None]
    sky = np.float32(look.sky_low) * 0.8
    return colour * (1 - 0.42 * look.wetness) * (1 - mirror) + sky * mirror


def add_ego_body(image: np.ndarray, classes: np.ndarray, camera: Camera, look: Look) -> None:
    """Paint the vehicle's own rear deck into the bottom of CAM_BACK, in place."""
    if camera.name != 'CAM_BACK':
        return
    focal_x, focal_y = camera.cam2img[0][0], camera.cam2img[1][1]
    x = (np.arange(camera.width) + 0.5 - camera.cam2img[0][2]) / focal_x
    edge = camera.cam2img[1][2] + focal_y * (_DECK + 0.055 * x**2 + 0.05 * np.clip(np.abs(x) - 0.85, 0, None))
    below = (np.arange(camera.height) + 0.5)[:, None] - edge
    body = below > 0
    if not body.any():
        return
    tone = 150 + 40 * np.exp(-below / (0.02 * focal_y)) - 30 * np.clip(below / (0.12 * focal_y), 0, 1)
    light = np.float32(look.ambient) + 0.45 * np.float32(look.sun)
    image[body] = (tone[..., None] * light)[body]
    classes[body] = class_id('Ego Vehicle')


def expose(image: np.ndarray, camera: Camera, look: Look, seed: int) -> np.ndarray:
    """Return what the sensor makes of the light (H, W, 3): vignetting, blur, noise, and 8 bits."""
    state = np.round(np.asarray(camera.cam2world, dtype=np.float64), 6).tobytes() + camera.name.encode()
    rng = np.random.default_rng([37, seed & 0x7FFFFFFF, zlib.crc32(state)])
    rays = pixel_rays(camera, np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    cosine = 1 / np.linalg.norm(rays, axis=-1)
    own = np.random.default_rng([41, seed & 0x7FFFFFFF, zlib.crc32(camera.name.encode())])
    gain = own.uniform(0.93, 1.07) * (1 + own.normal(0, 0.012, 3)) * rng.uniform(0.98, 1.02)
    image = image * (0.72 + 0.28 * cosine**2)[..., None].astype(np.float32) * np.float32(gain)
    # A soft shoulder keeps sunlit paint from clipping
    image = np.where(image > 200, 200 + 55 * (1 - np.exp(-(image - 200) / 55)), image)
    image = cv2.GaussianBlur(image.astype(np.float32), (3, 3), 0.45)
    noise = rng.standard_normal((camera.height, camera.width), dtype=np.float32)[..., None]
    chroma = rng.standard_normal(image.shape, dtype=np.float32)
    image += look.noise * (0.6 + 0.4 * np.sqrt(np.clip(image, 0, 255) / 255)) * (0.75 * noise + 0.5 * chroma)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)
