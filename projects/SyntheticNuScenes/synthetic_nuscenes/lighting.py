"""Light that falls on the ground and on objects: sun, sky, shadows, lamps and the ego vehicle's headlights."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .ground_view import GroundView
from .height_field import HeightField
from .look import Look
from .projection import SCALE, SHIFT, Projector, fixed_point
from .structures import Box, Camera

# How the cameras of the nuScenes vehicle are turned against its heading, radians counter-clockwise.
CAMERA_YAW = {
    name: np.deg2rad(degrees)
    for name, degrees in (
        ('CAM_FRONT', 0), ('CAM_FRONT_LEFT', 55), ('CAM_FRONT_RIGHT', -55),
        ('CAM_BACK', 180), ('CAM_BACK_LEFT', 108), ('CAM_BACK_RIGHT', -110),
    )
}  # fmt: skip
_SHADOW_RANGE = 70.0  # metres


def ground_light(
    view: GroundView, camera: Camera, boxes: Sequence[Box], look: Look, sun: np.ndarray, heights: HeightField
) -> np.ndarray:
    """Return the light (H, W, 3) float32 on the ground at every pixel."""
    light = np.broadcast_to(np.float32(look.ambient), view.albedo.shape).copy()
    if look.casts_shadows:
        lit = 1 - shadow_share(camera, boxes, sun, heights)
        if not heights.terrain.is_flat:
            slope = heights.terrain.gradient(view.points)
            lit *= np.clip(1 - (slope @ sun[:2]) / sun[2], 0.3, 1.8).astype(np.float32)
        light += lit[..., None] * np.float32(look.sun)
    light *= 1 - 0.6 * contact_share(camera, boxes)[..., None]
    if look.lamps > 0:
        light += lamp_light(view.points, camera, boxes, look)
    return light


def shadow_share(camera: Camera, boxes: Sequence[Box], sun: np.ndarray, heights: HeightField) -> np.ndarray:
    """Return the share (H, W) float32 of each pixel that lies in a shadow cast on the ground."""
    projector = Projector(camera)
    slant = float(np.linalg.norm(sun[:2]) / sun[2])
    outlines = []
    for box in boxes:
        reach = box.size[2] * slant
        tip = box.center - [*(sun[:2] / sun[2] * box.size[2] / 2), 0.0]
        radius = reach / 2 + float(np.linalg.norm(box.size)) / 2
        if np.linalg.norm(tip - projector.centre) > _SHADOW_RANGE + radius or not projector.may_see(tip, radius):
            continue
        for hull in _shadow_outlines(box, sun):
            hull = _refined(hull) if not heights.terrain.is_flat else hull
            ground = np.concatenate([hull, heights.height(hull[None])[0][:, None]], 1)
            outline = projector.polygon(ground)
            if outline is not None:
                outlines.append(outline)
    return _fill(outlines, camera)


def contact_share(camera: Camera, boxes: Sequence[Box]) -> np.ndarray:
    """Return how much (H, W) of the sky the vehicles above hide from the ground beneath them."""
    projector = Projector(camera)
    outlines = []
    for box in boxes:
        near = np.linalg.norm(box.center - projector.centre) < _SHADOW_RANGE
        if near and box.category.startswith('vehicle') and projector.may_see(box.center, box.size[0]):
            foot = np.column_stack([box.footprint(), np.full(4, box.center[2] - box.size[2] / 2)])
            outline = projector.polygon(foot)
            if outline is not None:
                outlines.append(outline)
    return _fill(outlines, camera)


def lamp_light(points: np.ndarray, camera: Camera, boxes: Sequence[Box], look: Look) -> np.ndarray:
    """Return the light (..., 3) of lamp posts and of the ego vehicle at world positions (..., 2)."""
    light = np.zeros((*points.shape[:-1], 3), np.float32)
    centre = np.asarray(camera.cam2world)[:3, 3]
    for box in boxes:
        if box.category == 'static.pole' and box.size[2] > 4.5:
            head = np.asarray(box.center)[:2] + 1.2 * np.array([np.cos(box.yaw), np.sin(box.yaw)])
            if np.linalg.norm(head - centre[:2]) < 90:
                distance = ((points - head) ** 2).sum(-1).astype(np.float32)
                light += (look.lamps / (1 + distance / 42) ** 1.6)[..., None] * np.float32([0.42, 0.62, 0.78])
    if camera.name in CAMERA_YAW:
        forward = np.asarray(camera.cam2world)[:2, 2]
        yaw = np.arctan2(forward[1], forward[0]) - CAMERA_YAW[camera.name]
        offset = points - centre[:2]
        along = offset @ np.array([np.cos(yaw), np.sin(yaw)])
        across = offset @ np.array([-np.sin(yaw), np.cos(yaw)])
        reach = np.clip(along, 0, None)
        beam = np.exp(-((across / (1.4 + 0.33 * reach)) ** 2)) * np.exp(-reach / 22) * (1 - np.exp(-reach / 2.5))
        tail = np.exp(-((across / (1.5 - 0.4 * np.minimum(along, 0))) ** 2) + np.minimum(along, 0) / 2.5) * (along < 0)
        light += (look.lamps * 1.5 * beam)[..., None].astype(np.float32) * np.float32([0.92, 0.98, 1.0])
        light += (look.lamps * 0.25 * tail)[..., None].astype(np.float32) * np.float32([0.15, 0.2, 1.0])
    return light


def _refined(hull: np.ndarray, step: float = 3.0) -> np.ndarray:
    """Return an outline (N, 2) with at most ``step`` metres between corners, so that it can follow uneven ground."""
    parts = []
    for a, b in zip(hull, np.roll(hull, -1, axis=0), strict=True):
        count = max(int(np.ceil(np.linalg.norm(b - a) / step)), 1)
        parts.append(a + (b - a) * (np.arange(count) / count)[:, None])
    return np.concatenate(parts)


def _shadow_outlines(box: Box, sun: np.ndarray) -> list[np.ndarray]:
    """Return the outlines (N, 2) in world metres of what a box shades."""
    shift = -sun[:2] / sun[2]
    foot = box.footprint()
    height = box.size[2]
    if box.category == 'static.tree':
        angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        radius = np.asarray(box.size[:2]) / 2 * 0.95
        wobble = 1 + 0.12 * np.sin(3 * angle + box.colour_seed % 7)
        crown = np.asarray(box.center)[:2] + wobble[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1) * radius
        trunk = np.asarray(box.center)[:2] + 0.15 * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
        low, high = 0.45 * height, 0.95 * height
        return [
            _hull(np.concatenate([crown + low * shift, crown + high * shift])),
            _hull(np.concatenate([trunk, trunk + low * shift])),
        ]
    if box.category.startswith('vehicle'):
        middle = foot.mean(0) + 0.75 * (foot - foot.mean(0))
        return [_hull(np.concatenate([foot, foot + 0.6 * height * shift, middle + height * shift]))]
    if box.category == 'static.pole':
        foot = foot.mean(0) + np.clip(foot - foot.mean(0), -0.09, 0.09)
    return [_hull(np.concatenate([foot, foot + height * shift]))]


def _hull(points: np.ndarray) -> np.ndarray:
    return cv2.convexHull(points.astype(np.float32)).reshape(-1, 2).astype(np.float64)


def _fill(outlines: list[np.ndarray], camera: Camera) -> np.ndarray:
    """Return the share (H, W) float32 of each pixel inside any of the outlines, with a soft edge."""
    mask = np.zeros((camera.height * SCALE, camera.width * SCALE), np.uint8)
    for outline in outlines:
        cv2.fillPoly(mask, [fixed_point(outline)], 255, shift=SHIFT)
    share = cv2.resize(mask, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(share, (3, 3), 0).astype(np.float32) / 255
