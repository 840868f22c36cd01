"""Render one camera image with its class map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .ground_view import view_ground
from .class_names import class_id
from .structures import Box, Camera
from .world import World

LOOKS = ('day', 'dusk', 'night', 'wet')


def render(
    world: World, camera: Camera, boxes: Sequence[Box], look: str = 'day'
) -> tuple[np.ndarray, np.ndarray]:
    """Render ``world`` and ``boxes``; returns (image (H, W, 3) uint8 BGR, class_ids (H, W) uint8)."""
    if look not in LOOKS:
        raise ValueError(f'look must be one of {LOOKS}, got {look!r}')
    view = view_ground(world.ground, camera, world.heights)
    image = np.where(view.visible[..., None], view.albedo, 200)
    classes = np.where(view.visible, view.class_ids, class_id('Sky'))
    return np.clip(image, 0, 255).astype(np.uint8), classes.astype(np.uint8)
