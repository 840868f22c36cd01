"""Planar curves as dense polylines: (N, 2) points in metres, in the direction of travel."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from shapely.geometry import LineString

ArclinePath = dict[str, object]


def hermite(knots: np.ndarray, tangents: np.ndarray, step: float = 1.0) -> np.ndarray:
    """Return a smooth curve through ``knots`` (K, 2) along unit ``tangents`` (K, 2), one point about every ``step``."""
    pieces = []
    for start, end, leave, arrive in zip(knots[:-1], knots[1:], tangents[:-1], tangents[1:], strict=True):
        chord = np.linalg.norm(end - start)
        t = np.linspace(0.0, 1.0, max(int(chord / step), 4) + 1)[:, None]
        if pieces:
            t = t[1:]
        pieces.append(
            (2 * t**3 - 3 * t**2 + 1) * start
            + (t**3 - 2 * t**2 + t) * leave * chord
            + (-2 * t**3 + 3 * t**2) * end
            + (t**3 - t**2) * arrive * chord
        )
    return resample(np.concatenate(pieces), step)


def arc_lengths(line: np.ndarray) -> np.ndarray:
    """Return the (N,) distance along ``line`` of each of its points."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])


def point_at(line: np.ndarray, distance: np.ndarray | float) -> np.ndarray:
    """Return the (..., 2) points at ``distance`` (...) along ``line``, held at its ends."""
    lengths = arc_lengths(line)
    return np.stack([np.interp(distance, lengths, line[:, 0]), np.interp(distance, lengths, line[:, 1])], axis=-1)


def headings(line: np.ndarray) -> np.ndarray:
    """Return the (N,) unwrapped heading in radians at each point of ``line``."""
    direction = np.gradient(line, arc_lengths(line), axis=0)
    return np.unwrap(np.arctan2(direction[:, 1], direction[:, 0]))


def normals(line: np.ndarray) -> np.ndarray:
    """Return the (N, 2) unit normals that point to the left of ``line``."""
    yaw = headings(line)
    return np.stack([-np.sin(yaw), np.cos(yaw)], axis=1)


def resample(line: np.ndarray, step: float) -> np.ndarray:
    """Return ``line`` with points at equal distances of about ``step``."""
    length = arc_lengths(line)[-1]
    return parts(line, max(int(np.ceil(length / step)), 1))


def parts(line: np.ndarray, count: int) -> np.ndarray:
    """Return the (count + 1, 2) points that divide ``line`` into equal parts."""
    return point_at(line, np.linspace(0.0, arc_lengths(line)[-1], count + 1))


def cut(line: np.ndarray, start: float, end: float) -> np.ndarray:
    """Return the part of ``line`` between two distances along it, in metres."""
    lengths = arc_lengths(line)
    inside = (lengths > start + 1e-6) & (lengths < end - 1e-6)
    return np.concatenate([point_at(line, [start]), line[inside], point_at(line, [end])])


def offset(line: np.ndarray, left: float) -> np.ndarray:
    """Return ``line`` moved ``left`` metres to its left (negative: to its right)."""
    return line + left * normals(line)


def thin_out(line: np.ndarray, tolerance: float = 0.02) -> np.ndarray:
    """Drop points that lie within ``tolerance`` metres of the line through the kept ones (Douglas-Peucker)."""
    return np.asarray(LineString(line).simplify(tolerance).coords)


def to_arclines(line: np.ndarray, chunk: float = 4.0) -> list[ArclinePath]:
    """Describe ``line`` in the map expansion's ``arcline_path_3`` form, one arc of constant curvature per chunk.

    Convention: poses are (x, y, yaw); an arc is a path of shape LSL or RSR whose second and third segments are empty.
    """
    fine = resample(line, 0.25)
    yaw, lengths = headings(fine), arc_lengths(fine)
    stops = np.linspace(0.0, lengths[-1], max(round(lengths[-1] / chunk), 1) + 1)
    poses = np.column_stack([point_at(fine, stops), np.interp(stops, lengths, yaw)])
    paths: list[ArclinePath] = []
    for start, end in pairwise(poses):
        turn, chord = end[2] - start[2], float(np.hypot(*(end - start)[:2]))
        bent = abs(turn) > 1e-4
        length = chord * (turn / 2) / np.sin(turn / 2) if bent else chord
        paths.append(
            {
                'start_pose': [float(v) for v in start],
                'end_pose': [float(v) for v in end],
                'shape': 'LSL' if turn >= 0 else 'RSR',
                'radius': float(length / abs(turn)) if bent else 999.999,
                'segment_length': [length, 0.0, 0.0] if bent else [0.0, length, 0.0],
            }
        )
    return paths
