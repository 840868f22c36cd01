"""Small meshes for painting: flat patches and round blobs, in the frame of a box."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .class_names import class_id

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Patch:
    """Coplanar polygons of one colour.

    Args:
        polygons: (Q, P, 3) metres, counter-clockwise as seen from outside.
        colour: BGR albedo, 0..255.
        class_name: Class in the class map.
        layer: Patches of a higher layer are painted over those of a lower one.
        part: Patches of one convex part share a number; within a layer, far parts are painted first.
        two_sided: Whether it can be seen from behind.
        glow: Light of its own at night, 0..1.
    """

    polygons: np.ndarray
    colour: Colour
    class_name: str
    layer: int = 0
    part: int = 0
    two_sided: bool = False
    glow: float = 0.0

    @property
    def normal(self) -> np.ndarray:
        """(3,) unit normal that points outwards."""
        a, b, c = self.polygons[0][:3]
        normal = np.cross(b - a, c - b)
        return normal / max(float(np.linalg.norm(normal)), 1e-12)


@dataclass(frozen=True)
class PatchTable:
    """The patches of a mesh as arrays: vertices of all of them, then one row per patch.

    Args:
        vertices: (V, 3) corners.
        spans: Per patch, its first vertex, its number of polygons, and the corners of each.
        normals: (N, 3) unit normals.
        anchors: (N, 3) a point on each patch.
        middles: (N, 3) middle of the part that each patch belongs to.
        colours: (N, 3) BGR albedo.
        class_ids: (N,) uint8.
        layers: (N,) painting order.
        two_sided: (N,) bool, True where the back can be seen.
        glows: (N,) light of its own.
    """

    vertices: np.ndarray
    spans: list[tuple[int, int, int]]
    normals: np.ndarray
    anchors: np.ndarray
    middles: np.ndarray
    colours: np.ndarray
    class_ids: np.ndarray
    layers: np.ndarray
    two_sided: np.ndarray
    glows: np.ndarray

    @classmethod
    def of(cls, patches: list[Patch]) -> PatchTable:
        """Collect ``patches``."""
        starts = np.cumsum([0] + [p.polygons.shape[0] * p.polygons.shape[1] for p in patches])
        middles: dict[tuple[int, int], np.ndarray] = {}
        for patch in patches:
            middles.setdefault((patch.layer, patch.part), patch.polygons[0].mean(0))
        return cls(
            vertices=np.concatenate([p.polygons.reshape(-1, 3) for p in patches]),
            spans=[(int(s), *p.polygons.shape[:2]) for s, p in zip(starts, patches, strict=False)],
            normals=np.stack([p.normal for p in patches]),
            anchors=np.stack([p.polygons[0, 0] for p in patches]),
            middles=np.stack([middles[p.layer, p.part] for p in patches]),
            colours=np.array([p.colour for p in patches], float),
            class_ids=np.array([class_id(p.class_name) for p in patches], np.uint8),
            layers=np.array([p.layer for p in patches]),
            two_sided=np.array([p.two_sided for p in patches]),
            glows=np.array([p.glow for p in patches]),
        )


@dataclass
class Mesh:
    """The look of one object.

    Convention: x forward, y left, z up; the origin is the middle of the footprint.

    Args:
        patches: Flat parts.
        blobs: (B, 4) centres and radii of round parts, painted after the patches.
        blob_colours: (B, 3) BGR albedo.
        blob_class: Class of the round parts.
    """

    patches: list[Patch] = field(default_factory=list)
    blobs: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))
    blob_colours: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    blob_class: str = 'Vegetation'

    @cached_property
    def table(self) -> PatchTable:
        """The patches as arrays; ask for it when the mesh is complete."""
        return PatchTable.of(self.patches)

    def add(self, polygons: np.ndarray, colour: Colour, class_name: str, **options: float | bool) -> None:
        """Append a patch; ``polygons`` is (P, 3) or (Q, P, 3)."""
        polygons = np.asarray(polygons, float)
        if polygons.ndim == 2:
            polygons = polygons[None]
        self.patches.append(Patch(polygons, colour, class_name, **options))

    def add_frustum(
        self,
        bottom: tuple[float, float, float, float],
        top: tuple[float, float, float, float],
        z: tuple[float, float],
        colour: Colour,
        class_name: str,
        *,
        layer: int = 0,
        part: int = 0,
    ) -> dict[str, np.ndarray]:
        """Append a block; returns its faces (4, 3) by name: front, back, left, right, top.

        Args:
            bottom: (x0, x1, y0, y1) of the lower rectangle.
            top: (x0, x1, y0, y1) of the upper rectangle.
            z: Heights of both.
            colour: BGR albedo.
            class_name: Class in the class map.
            layer: See `Patch`.
            part: See `Patch`.
        """

        def corners(rectangle: tuple[float, float, float, float], height: float) -> np.ndarray:
            x0, x1, y0, y1 = rectangle
            return np.array([[x0, y0, height], [x1, y0, height], [x1, y1, height], [x0, y1, height]])

        low, high = corners(bottom, z[0]), corners(top, z[1])
        names = ('right', 'front', 'left', 'back')
        faces = {n: np.stack([low[i], low[i - 3], high[i - 3], high[i]]) for i, n in enumerate(names)}
        faces['top'] = high
        for face in faces.values():
            self.add(face, colour, class_name, layer=layer, part=part)
        return faces


def inset(face: np.ndarray, u: tuple[float, float], v: tuple[float, float], lift: float = 0.01) -> np.ndarray:
    """Return the part of a quad (4, 3) between fractions ``u`` of its width and ``v`` of its height, just above it."""
    a, b, c, d = face
    normal = np.cross(b - a, d - a)
    normal = normal / max(float(np.linalg.norm(normal)), 1e-12)

    def at(s: float, t: float) -> np.ndarray:
        return (1 - s) * (1 - t) * a + s * (1 - t) * b + s * t * c + (1 - s) * t * d + lift * normal

    return np.stack([at(u[0], v[0]), at(u[1], v[0]), at(u[1], v[1]), at(u[0], v[1])])


def inset_grid(face: np.ndarray, columns: int, rows: int, fill: tuple[float, float]) -> np.ndarray:
    """Return (rows * columns, 4, 3) quads that divide a face; ``fill`` is the share of each cell that they take."""
    margin_u, margin_v = (1 - fill[0]) / 2, (1 - fill[1]) / 2
    quads = [
        inset(
            face,
            ((c + margin_u) / columns, (c + 1 - margin_u) / columns),
            ((r + margin_v) / rows, (r + 1 - margin_v) / rows),
        )
        for r in range(rows)
        for c in range(columns)
    ]
    return np.stack(quads)


def disc(x: float, y: float, z: float, radius: float, *, left: bool, corners: int = 12) -> np.ndarray:
    """Return a (corners, 3) disc across the y axis that faces left (or right)."""
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False) * (-1 if left else 1)
    return np.stack([x + radius * np.cos(angle), np.full(corners, y), z + radius * np.sin(angle)], 1)
