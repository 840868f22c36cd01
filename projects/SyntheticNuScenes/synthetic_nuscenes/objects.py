"""Paint boxes over an image, far ones first."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .class_names import class_id
from .lighting import lamp_light
from .look import Look
from .mesh import Mesh, Patch
from .projection import NEAR, Projector
from .scenery_meshes import mesh_of
from .structures import Box, Camera

_SCALE = 2  # sub-pixels per pixel and axis
_RANGE = {'static.building': 220.0, 'static.tree': 140.0}  # metres; 110 for all else
_DETAIL_RANGE = 70.0


class ObjectLayer:
    """Colour, class and depth of the objects in one image, at twice its size.

    Args:
        camera: The camera.
        look: Light and weather.
        sun: (3,) unit vector towards the sun.
    """

    def __init__(self, camera: Camera, look: Look, sun: np.ndarray) -> None:
        size = (camera.height * _SCALE, camera.width * _SCALE)
        self._projector = Projector(camera)
        self._camera, self._look, self._sun = camera, look, sun
        self._colour = np.zeros((*size, 3), np.uint8)
        self._slot = np.zeros(size, np.int16)  # 0: nothing; else index into the two lists
        self._slot_class = [0]
        self._slot_depth = [np.inf]
        self._slots: dict[str, int] = {}

    def draw(self, boxes: Sequence[Box]) -> None:
        """Paint all boxes that can be seen."""
        visible = []
        for box in boxes:
            radius = float(np.linalg.norm(box.size)) / 2
            distance = float(np.linalg.norm(np.asarray(box.center) - self._projector.centre))
            if distance - radius < _RANGE.get(box.category, 110.0) and self._projector.may_see(box.center, radius):
                visible.append((self._depth_key(box), box))
        lights = [b for b in boxes if b.category == 'static.pole'] if self._look.lamps > 0 else []
        for depth, box in sorted(visible, key=lambda pair: -pair[0]):
            self._draw_box(box, depth, lights)

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
            depth = np.array(self._slot_depth, np.float32)[slot]
            ground = np.repeat(np.repeat(ground_depth, _SCALE, 0), _SCALE, 1)
            slot = np.where(depth > ground + 1.0 + 0.04 * depth, 0, slot)
        share = cv2.resize((slot > 0).astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_AREA)
        colour = np.where((slot > 0)[..., None], self._colour, 0) if ground_depth is not None else self._colour
        colour = cv2.resize(colour, (width, height), interpolation=cv2.INTER_AREA)
        image *= 1 - share[..., None].astype(np.float32) / 255
        image += colour
        ids = np.array(self._slot_class, np.uint8)[slot]
        ids = np.maximum(np.maximum(ids[::2, ::2], ids[1::2, ::2]), np.maximum(ids[::2, 1::2], ids[1::2, 1::2]))
        covered = share >= 128
        classes[covered] = ids[covered]

    def _depth_key(self, box: Box) -> float:
        """Return the depth of the box's nearest corner that could hide something: what painting goes by."""
        corners = np.column_stack([box.footprint(), np.full(4, box.center[2])])
        depths = self._projector.to_camera(corners)[:, 2]
        if box.category == 'static.building':
            return float(np.clip(depths, 0, None).mean())
        return float(depths.mean())

    def _slot_of(self, class_name: str, depth: float) -> int:
        self._slot_class.append(class_id(class_name))
        self._slot_depth.append(depth)
        return len(self._slot_class) - 1

    def _draw_box(self, box: Box, depth: float, lights: Sequence[Box]) -> None:
        mesh = mesh_of(box)
        cos, sin = np.cos(box.yaw), np.sin(box.yaw)
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        foot = np.asarray(box.center, float) - [0, 0, box.size[2] / 2]
        extra = np.zeros(3, np.float32)
        if self._look.lamps > 0:
            extra = lamp_light(foot[None, :2], self._camera, lights, self._look)[0]
        near = max(depth - max(box.size[:2]) / 2, NEAR)
        eye = (self._projector.centre - foot) @ turn
        self._slots = {}
        for patch in self._ordered(mesh, eye):
            far = depth > _DETAIL_RANGE and patch.layer > 2
            if far or not (patch.two_sided or patch.normal @ (eye - patch.polygons[0][0]) > 0):
                continue
            self._draw_patch(patch, patch.polygons @ turn.T + foot, turn @ patch.normal, extra, near)
        if len(mesh.blobs):
            self._draw_blobs(mesh, mesh.blobs[:, :3] @ turn.T + foot, extra, near, box.colour_seed)

    @staticmethod
    def _ordered(mesh: Mesh, eye: np.ndarray) -> list[Patch]:
        """Return the patches by layer, then far parts first; patches of one part keep their order."""
        middle = {}
        for patch in mesh.patches:
            middle.setdefault((patch.layer, patch.part), patch.polygons[0].mean(0))
        distance = {key: -float(np.linalg.norm((m - eye)[:2])) for key, m in middle.items()}
        return sorted(mesh.patches, key=lambda p: (p.layer, distance[p.layer, p.part]))

    def _draw_patch(
        self, patch: Patch, polygons: np.ndarray, normal: np.ndarray, extra: np.ndarray, depth: float
    ) -> None:
        if len(polygons) == 1:
            outline = self._projector.polygon(polygons[0])
            outlines = [] if outline is None else [self._fixed(outline)]
        else:
            in_camera = self._projector.to_camera(polygons)
            seen = (in_camera[..., 2] > NEAR).all(1)
            outlines = list(self._fixed(self._projector.to_pixels(in_camera[seen])))
        if not outlines:
            return
        facing = max(float(normal @ self._sun), 0.0)
        sky = 0.75 + 0.25 * float(normal[2])
        light = np.array(self._look.ambient) * sky + np.array(self._look.sun) * facing + extra
        colour = self._hazed(np.array(patch.colour) * (light + self._look.lamps * patch.glow), depth)
        if patch.class_name not in self._slots:
            self._slots[patch.class_name] = self._slot_of(patch.class_name, depth)
        cv2.fillPoly(self._colour, outlines, colour, shift=4)
        cv2.fillPoly(self._slot, outlines, self._slots[patch.class_name], shift=4)

    def _draw_blobs(self, mesh: Mesh, centres: np.ndarray, extra: np.ndarray, depth: float, seed: int) -> None:
        in_camera = self._projector.to_camera(centres)
        focal = self._camera.cam2img[0][0]
        slot = self._slot_of(mesh.blob_class, depth)
        toward_sun = centres - centres.mean(0)
        toward_sun = toward_sun / np.maximum(np.linalg.norm(toward_sun, axis=1, keepdims=True), 1e-6)
        lit = np.clip(0.5 + 0.5 * toward_sun @ self._sun, 0, 1) if len(centres) > 1 else np.array([0.7])
        angles = np.linspace(0, 2 * np.pi, 11, endpoint=False)
        wobble = 1 + (0.16 if len(centres) > 1 else 0.0) * np.sin(np.arange(11) * 2.4 + seed % 11)
        ring = np.stack([np.cos(angles), np.sin(angles)], 1) * wobble[:, None]
        for i in np.argsort(-in_camera[:, 2]):
            if in_camera[i, 2] < 0.6:
                continue
            radius = focal * mesh.blobs[i, 3] / in_camera[i, 2]
            outline = [self._fixed(self._projector.to_pixels(in_camera[i]) + radius * ring)]
            light = np.array(self._look.ambient) + 0.8 * np.array(self._look.sun) * lit[i] + extra
            cv2.fillPoly(self._colour, outline, self._hazed(mesh.blob_colours[i] * light, depth), shift=4)
            cv2.fillPoly(self._slot, outline, slot, shift=4)

    def _hazed(self, colour: np.ndarray, depth: float) -> tuple[float, ...]:
        clear = np.exp(-depth / self._look.haze)
        return tuple(float(c) for c in np.clip(colour * clear + np.array(self._look.sky_low) * (1 - clear), 0, 255))

    @staticmethod
    def _fixed(outline: np.ndarray) -> np.ndarray:
        """Return fixed-point positions in the enlarged image, where OpenCV puts pixel centres at whole numbers."""
        return np.round((np.clip(outline, -2e4, 2e4) * _SCALE - 0.5) * 16).astype(np.int32)
