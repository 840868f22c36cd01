"""Meshes of vehicles: bodies, cabins, windows, wheels and lights in a given box."""

from __future__ import annotations

import numpy as np

from .mesh import Colour, Mesh, disc, inset, inset_grid

_PAINTS: tuple[Colour, ...] = (
    (228, 230, 232), (200, 202, 204), (150, 150, 150), (60, 58, 56), (34, 34, 36), (52, 48, 170),
    (150, 92, 42), (110, 64, 36), (58, 104, 70), (120, 170, 200), (60, 190, 225), (170, 168, 150),
)  # fmt: skip
_GLASS: Colour = (62, 54, 46)
_TYRE: Colour = (26, 26, 28)
_LAMP: Colour = (225, 235, 240)
_TAIL: Colour = (40, 36, 190)


def car_mesh(size: tuple[float, float, float], rng: np.random.Generator) -> Mesh:
    """Return a passenger car, a van if it is tall."""
    length, width, height = size
    mesh, paint = Mesh(), _PAINTS[rng.integers(len(_PAINTS))]
    x, y = length / 2, width / 2
    belt = 0.56 * height
    body = mesh.add_frustum(
        (-x, x, -y, y), (-x * 0.97, x * 0.96, -y * 0.96, y * 0.96), (0.17 * height, belt), paint, 'Car'
    )
    van = height > 1.85
    back, front = (-0.98, 0.72) if van else (-0.9 + 0.15 * rng.random(), 0.46)
    roof = (x * (back + (0.04 if van else 0.2)), x * (front - 0.38), -y * 0.74, y * 0.74)
    cabin = mesh.add_frustum(
        (x * back, x * front, -y * 0.92, y * 0.92), roof, (belt, height), paint, 'Car', layer=1, part=1
    )
    for side in ('left', 'right'):
        mesh.add(inset_grid(cabin[side], 2, 1, (0.84, 0.76)), _GLASS, 'Car', layer=1, part=1)
    for end in ('front', 'back'):
        mesh.add(inset(cabin[end], (0.07, 0.93), (0.1, 0.9)), _GLASS, 'Car', layer=1, part=1)
    _add_ends(mesh, body, 'Car')
    _add_wheels(mesh, 'Car', (-0.31 * length, 0.31 * length), y, 0.21 * height if not van else 0.17 * height)
    return mesh


def truck_mesh(size: tuple[float, float, float], rng: np.random.Generator) -> Mesh:
    """Return a lorry: cab and load on a chassis."""
    length, width, height = size
    mesh, paint = Mesh(), _PAINTS[rng.integers(len(_PAINTS))]
    load = _PAINTS[rng.integers(3)] if rng.random() < 0.6 else _PAINTS[rng.integers(len(_PAINTS))]
    x, y = length / 2, width / 2
    nose = x - min(2.2, 0.3 * length)
    mesh.add_frustum(
        (-x, x * 0.98, -y * 0.85, y * 0.85),
        (-x, x * 0.98, -y * 0.85, y * 0.85),
        (0.13 * height, 0.24 * height),
        _TYRE,
        'Truck',
    )
    cargo = mesh.add_frustum(
        (-x, nose - 0.2, -y, y), (-x, nose - 0.2, -y, y), (0.24 * height, height), load, 'Truck', layer=1, part=1
    )
    cab = mesh.add_frustum(
        (nose, x, -y * 0.97, y * 0.97),
        (nose, x * 0.95, -y * 0.92, y * 0.92),
        (0.14 * height, 0.82 * height),
        paint,
        'Truck',
        layer=1,
        part=2,
    )
    mesh.add(inset(cab['front'], (0.07, 0.93), (0.5, 0.92)), _GLASS, 'Truck', layer=1, part=2)
    for side in ('left', 'right'):
        mesh.add(inset(cab[side], (0.2, 0.9), (0.52, 0.9)), _GLASS, 'Truck', layer=1, part=2)
        stripe = tuple(0.6 * c for c in load)
        mesh.add(inset(cargo[side], (0.05, 0.95), (0.42, 0.58)), stripe, 'Truck', layer=1, part=1)
    mesh.add(inset_grid(cargo['back'], 2, 1, (0.93, 0.93)), tuple(0.88 * c for c in load), 'Truck', layer=1, part=1)
    mesh.add(
        inset_grid(cargo['back'], 2, 1, (0.2, 0.06))[:, :, :] - [0, 0, 0.4 * height],
        _TAIL,
        'Truck',
        layer=2,
        part=1,
        glow=0.8,
    )
    mesh.add(
        inset_grid(cab['front'], 2, 1, (0.3, 0.08)) - [0, 0, 0.25 * height],
        _LAMP,
        'Truck',
        layer=2,
        part=2,
        glow=1.0,
    )
    radius = min(0.5, 0.17 * height)
    _add_wheels(mesh, 'Truck', (-0.36 * length, -0.36 * length + 2.3 * radius, 0.34 * length), y, radius)
    return mesh


def bus_mesh(size: tuple[float, float, float], rng: np.random.Generator) -> Mesh:
    """Return a bus with a band of windows."""
    length, width, height = size
    mesh, paint = Mesh(), _PAINTS[rng.integers(len(_PAINTS))]
    x, y = length / 2, width / 2
    body = mesh.add_frustum((-x, x, -y, y), (-x, x, -y, y), (0.1 * height, height), paint, 'Bus')
    for side in ('left', 'right'):
        row = inset(body[side], (0.02, 0.98), (0.42, 0.82))
        mesh.add(inset_grid(row, max(int(length / 1.6), 3), 1, (0.88, 1.0)), _GLASS, 'Bus', glow=0.35)
        mesh.add(inset(body[side], (0, 1), (0.2, 0.3)), tuple(0.55 * c for c in paint), 'Bus')
    mesh.add(inset(body['front'], (0.06, 0.94), (0.35, 0.9)), _GLASS, 'Bus', glow=0.2)
    mesh.add(inset(body['back'], (0.15, 0.85), (0.5, 0.85)), _GLASS, 'Bus')
    _add_ends(mesh, body, 'Bus')
    _add_wheels(mesh, 'Bus', (-0.28 * length, 0.32 * length), y, 0.15 * height)
    return mesh


def two_wheeler_mesh(size: tuple[float, float, float], rng: np.random.Generator, motor: bool, ridden: bool) -> Mesh:
    """Return a bicycle or a motorcycle, with its rider if it moves."""
    length, width, height = size
    name, rider = ('Motorcycle', 'Motorcyclist') if motor else ('Bicycle', 'Bicyclist')
    top = height * (0.6 if ridden else 0.95)
    mesh, paint = Mesh(blob_class=rider if ridden else name), _PAINTS[rng.integers(len(_PAINTS))]
    thick = width * (0.35 if motor else 0.12)
    radius = min(0.34, 0.26 * length)
    for at in (-length / 2 + radius, length / 2 - radius):
        mesh.add(disc(at, 0.0, radius, radius, left=True), _TYRE, name, two_sided=True)
        mesh.add(disc(at, 0.0, radius, radius * 0.7, left=True), (120, 120, 120), name, two_sided=True)
    frame = (-0.3 * length, 0.3 * length, -thick / 2, thick / 2)
    mesh.add_frustum(frame, frame, (0.5 * top, 0.8 * top), paint, name, layer=1)
    bar = (0.22 * length, 0.3 * length, -width / 2, width / 2)
    mesh.add_frustum(bar, bar, (0.92 * top, top), _TYRE, name, layer=1, part=1)
    if ridden:
        hull = (-0.16 * length, 0.06 * length, -0.2, 0.2)
        mesh.add_frustum(
            hull, (-0.1 * length, 0.12 * length, -0.22, 0.22), (0.42 * height, 0.84 * height), paint, rider, layer=2
        )
        mesh.blobs = np.array([[0.02 * length, 0, 0.92 * height, 0.13]])
        mesh.blob_colours = np.array([[50, 50, 60.0]])
    return mesh


def _add_ends(mesh: Mesh, body: dict[str, np.ndarray], class_name: str) -> None:
    """Add lamps, plates and bumpers to the front and the back of a body."""
    for end, lamp, glow in (('front', _LAMP, 1.0), ('back', _TAIL, 0.8)):
        for u in ((0.03, 0.22), (0.78, 0.97)):
            mesh.add(inset(body[end], u, (0.52, 0.78)), lamp, class_name, glow=glow)
        mesh.add(inset(body[end], (0.36, 0.64), (0.3, 0.5)), (205, 215, 215), class_name)
        mesh.add(inset(body[end], (0.0, 1.0), (0.0, 0.2)), (48, 48, 50), class_name)


def _add_wheels(mesh: Mesh, class_name: str, axles: tuple[float, ...], y: float, radius: float) -> None:
    """Add wheels at both ends of every axle."""
    for x in axles:
        for left in (True, False):
            side = (y + 0.015) * (1 if left else -1)
            mesh.add(disc(x, side, radius, radius, left=left), _TYRE, class_name, layer=3)
            mesh.add(disc(x, side * 1.005, radius, radius * 0.55, left=left), (140, 140, 142), class_name, layer=4)
    for x in (min(axles), max(axles)):
        for inner in (-0.95 * y, 0.72 * y):
            block = (x - radius, x + radius, inner, inner + 0.23 * y)
            mesh.add_frustum(block, block, (0.0, radius), _TYRE, class_name, layer=-1, part=5)
