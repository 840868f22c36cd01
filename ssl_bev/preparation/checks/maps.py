"""Check that map expansions exist and contain the drives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ssl_bev.datasets.calibration import ego_position

from ..map_geometry import MapGeometry
from .report import Report

_MARGIN = 100.0  # metres


def check_maps(root: Path, scenes: Sequence[Sequence[Mapping]], report: Report, are_needed: bool = True) -> None:
    """Check the map of each location, and that no ego pose is outside it.

    Args:
        root: of the dataset.
        scenes: keyframes of each scene.
        report: gets the counts, errors and warnings.
        are_needed: False: no labels are drawn, so a missing map gives only a warning.
    """
    bounds = {}
    for location in sorted({scene[0]['location'] for scene in scenes}):
        report.count('maps')
        path = root / 'maps' / 'expansion' / f'{location}.json'
        if not are_needed and not path.is_file():
            report.warn('maps', f'location {location!r}: no map expansion {path}; BEV labels cannot be drawn')
            continue
        try:
            points = MapGeometry.read(path).node_positions
        except (OSError, ValueError) as error:
            report.error('maps', f'location {location!r}: {error}')
            continue
        if not len(points):
            report.error('maps', f'location {location!r}: {path} has no node')
            continue
        bounds[location] = points.min(0) - _MARGIN, points.max(0) + _MARGIN
    for scene in scenes:
        if scene[0]['location'] not in bounds:
            continue
        low, high = bounds[scene[0]['location']]
        try:
            positions = np.array([ego_position(frame)[:2] for frame in scene])
        except ValueError as error:
            report.error('maps', f'{scene[0]["scene_name"]}: {error}')
            continue
        outside = int((~((positions > low) & (positions < high)).all(1)).sum())
        if outside:
            name = scene[0]['scene_name']
            report.error('maps', f'{name}: {outside} of {len(scene)} ego poses lie outside map {scene[0]["location"]}')
