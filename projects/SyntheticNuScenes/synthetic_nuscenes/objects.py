"""Paint boxes over an image, far ones first."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .class_names import class_id
from .lighting import lamp_light
from .look import Look
from .mesh import Mesh
from .painting_order import painting_order
from .projection import NEAR, SCALE, SHIFT, Projector, clip_near, fixed_point
from .scenery_meshes import mesh_of
from .structures import Box, Camera

_RANGE = {'static.building': 220.0, 'static.tree': 120.0}  # metres; 100 for all else
_DETAIL_RANGE = 45.0


class ObjectLayer:
    """Colour, class and depth of the objects in one image, at twice its size.

    Every patch that is painted gets a slot of its own; the picture of slots is turned into colours and classes at
    the end.

    Args:
        camera: The camera.
        look: Light and weather.
        sun: (3,) unit vector towards the sun.
    """

    def __init__(self, camera: Camera, look: Look, sun: np.ndarray) -> None:
        self._projector = Projector(camera)
        self._camera, self._look, self._sun = camera, look, sun
        self._ambient, self._direct = np.array(look.ambient), np.array(look.sun)
        self._slot = np.zeros((camera.height * SCALE, camera.width * SCALE), np.int32)  # 0: nothing
        self._colours: list[np.ndarray] = [np.zeros((1, 3))]
        self._classes: list[np.ndarray] = [np.zeros(1, np.uint8)]
        self._depths: list[np.ndarray] = [np.full(1, np.inf)]
        self._used = 1

    def draw(self, boxes: Sequence[Box]) -> None:
        """Paint all boxes that can be seen."""
        visible = []
        for box in boxes:
            radius = float(np.linalg.norm(box.size)) / 2 + 0.5
            distance = float(np.linalg.norm(box.center - self._projector.centre))
            if distance - radius < _RANGE.get(box.category, 100.0) and self._projector.may_see(box.center, radius):
                visible.append((self._depth_of(box), box))
        order = painting_order([b for _, b in visible], np.array([d for d, _ in visible]), self._projector.centre[:2])
        visible = [visible[i] for i in order]
        lamps = np.zeros((len(visible), 3))
        if self._look.lamps > 0 and visible:
            centres = np.array([box.center[:2] for _, box in visible])
            lamps = lamp_light(centres, self._camera, boxes, self._look)
        for (depth, box), extra in zip(visible, lamps, strict=True):
            self._draw_box(box, depth, extra)

    def compose(self, image: np.ndarray, classes: np.ndarray, ground_depth: np.ndarray | None) -> None:
        """Lay the objects over ``image`` (H, W, 3) float32 and ``classes`` (H, W), in place.

        Args:
            image: Colours 0..255.
            classes: Class ids.
            ground_depth: (H, W) where hills may hide objects, or None.
        """
        height, width = classes.shape
        slot = self._slot
        if ground_depth is not None:
            depth = np.concatenate(self._depths).astype(np.float32)[slot]
            ground = np.repeat(np.repeat(ground_depth, SCALE, 0), SCALE, 1)
            slot = np.where(depth > ground + 1.0 + 0.04 * depth, 0, slot)
        share = cv2.resize((slot > 0).astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_AREA)
        colour = np.clip(np.concatenate(self._colours), 0, 255).astype(np.uint8)[slot]
        image *= 1 - share[..., None].astype(np.float32) / 255
        image += cv2.resize(colour, (width, height), interpolation=cv2.INTER_AREA)
        ids = np.concatenate(self._classes)[slot]
        ids = np.maximum(np.maximum(ids[::2, ::2], ids[1::2, ::2]), np.maximum(ids[::2, 1::2], ids[1::2, 1::2]))
        covered = share >= 128
        classes[covered] = ids[covered]

    def _depth_of(self, box: Box) -> float:
        """Return the mean depth of the box's footprint."""
        corners = np.column_stack([box.footprint(), np.full(4, box.center[2])])
        return float(np.clip(self._projector.to_camera(corners)[:, 2], 0, None).mean())

    def _reserve(self, colours: np.ndarray, class_ids: np.ndarray, depth: float) -> int:
        """Register the colours (N, 3) and classes (N,) of new slots; returns the first of them."""
        first = self._used
        clear = np.exp(-depth / self._look.haze)
        self._colours.append(colours * clear + np.array(self._look.sky_low) * (1 - clear))
        self._classes.append(class_ids)
        self._depths.append(np.full(len(colours), depth))
        self._used += len(colours)
        return first

    def _draw_box(self, box: Box, depth: float, extra: np.ndarray) -> None:
        mesh = mesh_of(box)
        cos, sin = np.cos(box.yaw), np.sin(box.yaw)
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        foot = np.asarray(box.center, float) - [0, 0, box.size[2] / 2]
        near = max(depth - max(box.size[:2]) / 2, NEAR)
        if mesh.patches:
            self._draw_patches(mesh, turn, foot, near, extra)
        if len(mesh.blobs):
            self._draw_blobs(mesh, mesh.blobs[:, :3] @ turn.T + foot, near, extra, box.colour_seed)

    def _draw_patches(self, mesh: Mesh, turn: np.ndarray, foot: np.ndarray, near: float, extra: np.ndarray) -> None:
        table = mesh.table
        eye = (self._projector.centre - foot) @ turn
        facing = table.two_sided | (np.einsum('pk,pk->p', table.normals, eye - table.anchors) > 0)
        if near > _DETAIL_RANGE:
            facing &= table.layers < 3
        chosen = np.flatnonzero(facing)
        distance = -np.linalg.norm((table.middles - eye)[:, :2], axis=1)
        order = chosen[np.lexsort((distance[chosen], table.layers[chosen]))]
        normals = table.normals @ turn.T
        light = (
            self._ambient * (0.75 + 0.25 * normals[:, 2:])
            + self._direct * np.clip(normals @ self._sun, 0, None)[:, None]
        )
        light = light + extra + self._look.lamps * table.glows[:, None]
        first = self._reserve(table.colours * light, table.class_ids, near)
        in_camera = self._projector.to_camera(table.vertices @ turn.T + foot)
        deep = in_camera[:, 2] > NEAR
        with np.errstate(divide='ignore', invalid='ignore'):
            fixed = fixed_point(np.nan_to_num(self._projector.to_pixels(in_camera)))
        for index in order:
            start, count, corners = table.spans[index]
            stop = start + count * corners
            outlines = fixed[start:stop].reshape(count, corners, 2)
            if not deep[start:stop].all():
                if count == 1:
                    part = clip_near(in_camera[start:stop])
                    outlines = fixed_point(self._projector.to_pixels(part))[None] if len(part) > 2 else outlines[:0]
                else:
                    outlines = outlines[deep[start:stop].reshape(count, corners).all(1)]
            if len(outlines):
                cv2.fillPoly(self._slot, list(outlines), first + int(index), shift=SHIFT)

    def _draw_blobs(self, mesh: Mesh, centres: np.ndarray, depth: float, extra: np.ndarray, seed: int) -> None:
        in_camera = self._projector.to_camera(centres)
        toward = centres - centres.mean(0)
        toward = toward / np.maximum(np.linalg.norm(toward, axis=1, keepdims=True), 1e-6)
        lit = np.clip(0.55 + 0.5 * toward @ self._sun, 0, 1)[:, None]
        light = self._ambient + 0.8 * self._direct * lit + extra
        first = self._reserve(
            mesh.blob_colours * light, np.full(len(centres), class_id(mesh.blob_class), np.uint8), depth
        )
        order = np.argsort(-in_camera[:, 2])
        order = order[in_camera[order, 2] > 0.6]
        radius = self._camera.cam2img[0][0] * mesh.blobs[order, 3] / in_camera[order, 2]
        angles = np.arange(11) * (2 * np.pi / 11)
        wobble = 1 + (0.16 if len(centres) > 1 else 0.0) * np.sin(np.arange(11) * 2.4 + seed % 11)
        ring = np.stack([np.cos(angles), np.sin(angles)], 1) * wobble[:, None]
        outlines = fixed_point(self._projector.to_pixels(in_camera[order])[:, None] + radius[:, None, None] * ring)
        for index, outline in zip(order, outlines, strict=True):
            cv2.fillPoly(self._slot, [outline], first + int(index), shift=SHIFT)
