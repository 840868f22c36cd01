"""Render one camera image with its class map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .ground_view import pixel_rays, view_ground
from .lighting import ground_light
from .look import LOOKS, make_look
from .objects import ObjectLayer
from .sensor import add_ego_body, expose, wet_ground
from .structures import Box, Camera
from .world import World


def render(world: World, camera: Camera, boxes: Sequence[Box], look: str = 'day') -> tuple[np.ndarray, np.ndarray]:
    """Render the view of ``camera`` on ``world`` with ``boxes`` in it.

    Convention: pixel (row i, column j) shows the ray through the image position (j + 0.5, i + 0.5).

    Args:
        world: The static world.
        camera: Pinhole camera, z up in the world.
        boxes: Movers and scenery.
        look: One of `LOOKS`.

    Returns:
        The image (H, W, 3) uint8 BGR and the class ids (H, W) uint8, indices into `CLASS_NAMES`.
    """
    light = make_look(look, world.seed)
    sun = light.sun_direction(world.sun_azimuth)
    view = view_ground(world.ground, camera, world.heights)
    colour = view.albedo * ground_light(view, camera, boxes, light, sun, world.heights)
    colour = wet_ground(colour, view, camera, light, world.seed)
    visible = view.visible
    depth = np.where(visible, view.depth, 1.0)
    clear = np.exp(-depth / light.haze)[..., None].astype(np.float32)
    image = (colour * clear + np.float32(light.sky_low) * (1 - clear)).astype(np.float32)
    classes = view.class_ids
    above = ~visible
    if above.any():
        rows = int(np.flatnonzero(above.any(1)).max()) + 1
        rays = pixel_rays(camera, np.arange(camera.width) + 0.5, np.arange(rows) + 0.5)
        sky, sky_classes = world.backdrop.paint(rays, light)
        above = above[:rows]
        image[:rows][above], classes[:rows][above] = sky[above], sky_classes[above]
    objects = ObjectLayer(camera, light, sun)
    objects.draw(boxes)
    objects.compose(image, classes, None if world.heights.terrain.is_flat else view.depth)
    add_ego_body(image, classes, camera, light)
    return expose(image, camera, light, world.seed), classes


__all__ = ['LOOKS', 'render']
