"""Meshes of people, street furniture, buildings and trees."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .mesh import Colour, Mesh, inset, inset_grid
from .structures import Box
from .vehicle_meshes import bus_mesh, car_mesh, truck_mesh, two_wheeler_mesh

_FACADES: tuple[Colour, ...] = (
    (150, 160, 170), (176, 184, 190), (120, 128, 140), (108, 124, 150),
    (140, 170, 190), (96, 100, 108), (190, 196, 196),
)  # fmt: skip


def mesh_of(box: Box) -> Mesh:
    """Return the look of a box; equal boxes share one mesh."""
    moving = bool(np.hypot(*box.velocity) > 0.3)
    return _mesh(box.category, tuple(round(float(s), 3) for s in box.size), int(box.colour_seed), moving)


@lru_cache(maxsize=4096)
def _mesh(category: str, size: tuple[float, float, float], colour_seed: int, moving: bool) -> Mesh:
    rng = np.random.default_rng([3, colour_seed & 0x7FFFFFFF])
    if category == 'vehicle.truck':
        return truck_mesh(size, rng)
    if category == 'vehicle.bus.rigid':
        return bus_mesh(size, rng)
    if category in ('vehicle.bicycle', 'vehicle.motorcycle'):
        return two_wheeler_mesh(size, rng, category == 'vehicle.motorcycle', moving)
    if category == 'vehicle.car':
        return car_mesh(size, rng)
    if category.startswith('human'):
        return _person(size, rng)
    if category == 'movable_object.trafficcone':
        return _cone(size)
    if category == 'static.building':
        return _building(size, rng)
    if category == 'static.tree':
        return _tree(size, rng)
    if category == 'static.pole':
        return _pole(size, rng)
    return _barrier(size, rng)


def _person(size: tuple[float, float, float], rng: np.random.Generator) -> Mesh:
    _, width, height = size
    mesh = Mesh(blob_class='Person')
    trousers, shirt, skin = (
        rng.uniform(20, 110, 3),
        rng.uniform(20, 220, 3),
        np.array([110, 140, 185]) * rng.uniform(0.5, 1),
    )
    half = min(width, 0.31 * height) / 2
    stride = rng.uniform(-0.16, 0.16)
    for part, (y, x) in enumerate(((-half * 0.45, stride), (half * 0.45, -stride))):
        foot = (x - 0.08, x + 0.08, y - 0.07, y + 0.07)
        mesh.add_frustum(
            foot, (-0.09, 0.09, y - 0.09, y + 0.09), (0, 0.5 * height), tuple(trousers), 'Person', part=part
        )
    torso = (-0.12, 0.12, -half * 0.7, half * 0.7)
    mesh.add_frustum(torso, (-0.11, 0.11, -half, half), (0.47 * height, 0.84 * height), tuple(shirt), 'Person', layer=1)
    mesh.blobs = np.array([[0, 0, 0.92 * height, 0.065 * height]])
    mesh.blob_colours = skin[None]
    return mesh


def _cone(size: tuple[float, float, float]) -> Mesh:
    length, width, height = size
    mesh, orange = Mesh(), (30, 84, 226)
    x, y = length / 2, width / 2
    foot = (-x, x, -y, y)
    mesh.add_frustum(foot, foot, (0, 0.06 * height), orange, 'Traffic Cone')
    faces = mesh.add_frustum(
        (-x * 0.7, x * 0.7, -y * 0.7, y * 0.7),
        (-0.03, 0.03, -0.03, 0.03),
        (0.06 * height, height),
        orange,
        'Traffic Cone',
        layer=1,
    )
    for side in ('front', 'back', 'left', 'right'):
        mesh.add(inset(faces[side], (0, 1), (0.4, 0.65)), (225, 228, 230), 'Traffic Cone', layer=1)
    return mesh


def _barrier(size: tuple[float, float, float], rng: np.random.Generator) -> Mesh:
    """A water-filled road barrier, red or white."""
    length, width, height = size
    x, y = length / 2, width / 2
    colour = (52, 72, 196) if rng.random() < 0.5 else (205, 208, 210)
    mesh = Mesh()
    faces = mesh.add_frustum((-x, x, -y, y), (-x * 0.8, x * 0.8, -y, y), (0, height), colour, 'Temporary Barrier')
    for side in ('front', 'back'):
        mesh.add(inset(faces[side], (0, 1), (0.0, 0.12)), tuple(0.5 * c for c in colour), 'Temporary Barrier')
    return mesh


def _building(size: tuple[float, float, float], rng: np.random.Generator) -> Mesh:
    length, width, height = size
    mesh, colour = Mesh(), _FACADES[rng.integers(len(_FACADES))]
    rectangle = (-length / 2, length / 2, -width / 2, width / 2)
    faces = mesh.add_frustum(rectangle, rectangle, (0.0, height), colour, 'Building')
    storey, bay = rng.uniform(3.0, 4.0), rng.uniform(2.2, 4.5)
    glass, fill = (rng.uniform(50, 120) * np.array([1.1, 1.0, 0.88]), rng.uniform(0.45, 0.85, 2))
    for side in ('front', 'back', 'left', 'right'):
        face = faces[side]
        across = float(np.linalg.norm(face[1] - face[0]))
        upper = inset(face, (0.02, 0.98), (min(storey / height, 0.6), 0.98))
        rows, columns = min(max(int((height - storey) / storey), 1), 8), min(max(int(across / bay), 1), 16)
        windows = inset_grid(upper, columns, rows, tuple(fill))
        lit = rng.random(len(windows)) < 0.3
        for chosen, glow in ((lit, 0.8), (~lit, 0.0)):
            if chosen.any():
                mesh.add(windows[chosen], tuple(glass), 'Building', glow=glow)
        ground_floor = inset(face, (0.02, 0.98), (0.1 * storey / height, min(0.8 * storey / height, 0.5)))
        mesh.add(
            inset_grid(ground_floor, max(columns // 2, 1), 1, (0.8, 0.9)), tuple(glass * 0.6), 'Building', glow=0.4
        )
    return mesh


def _tree(size: tuple[float, float, float], rng: np.random.Generator) -> Mesh:
    """A trunk and a crown of overlapping blobs."""
    length, width, height = size
    mesh = Mesh()
    crown, low, trunk = min(length, width) / 2, 0.38 * height, min(0.05 * height, 0.22)
    block = (-trunk, trunk, -trunk, trunk)
    mesh.add_frustum(block, block, (0.0, 0.55 * height), (52, 62, 74), 'Vegetation')
    count = 22
    spread = rng.normal(0, 1, (count, 3))
    spread /= np.linalg.norm(spread, axis=1, keepdims=True)
    spread *= rng.uniform(0.25, 0.75, (count, 1))
    middle = (low + height) / 2
    centres = spread * [crown, crown, (height - low) / 2] + [0, 0, middle]
    mesh.blobs = np.concatenate([centres, crown * rng.uniform(0.3, 0.5, (count, 1))], 1)
    base = np.array([36, 78, 58]) * rng.uniform(0.75, 1.25) + rng.uniform(-8, 12, 3)
    shade = 0.75 + 0.45 * (centres[:, 2] - low) / (height - low)
    mesh.blob_colours = np.clip(base * shade[:, None] * rng.uniform(0.85, 1.15, (count, 1)), 5, 255)
    return mesh


def _pole(size: tuple[float, float, float], rng: np.random.Generator) -> Mesh:
    """A lamp post if it is tall, else a post that may bear a sign."""
    height = size[2]
    radius = min(max(size[1] / 2, 0.05), 0.12)
    mesh, grey = Mesh(), (128, 130, 132)
    tall = height > 4.5
    name = 'Street Light' if tall else 'Pole'
    block = (-radius, radius, -radius, radius)
    mesh.add_frustum(block, (-radius * 0.7, radius * 0.7, -radius * 0.7, radius * 0.7), (0.0, height), grey, name)
    if tall:
        head = (-0.1, 1.6, -0.12, 0.12)
        mesh.add_frustum(head, head, (height - 0.15, height), grey, name, layer=1)
        lamp = np.array(
            [
                [0.8, -0.12, height - 0.16],
                [0.8, 0.12, height - 0.16],
                [1.6, 0.12, height - 0.16],
                [1.6, -0.12, height - 0.16],
            ]
        )
        mesh.add(lamp, (235, 240, 240), name, two_sided=True, layer=2, glow=1.0)
    elif rng.random() < 0.5:
        plate = (-radius - 0.02, -radius, -0.35, 0.35)
        colour = ((40, 40, 190), (170, 100, 30), (220, 225, 225))[rng.integers(3)]
        mesh.add_frustum(plate, plate, (height - 0.7, height), colour, 'Traffic Sign (Front)', layer=1)
    return mesh
