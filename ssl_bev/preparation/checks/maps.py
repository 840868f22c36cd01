"""Are the map expansions there, and do the drives lie on them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..map_geometry import MapGeometry
from .report import Report

_MARGIN = 100.0  # metres


def check_maps(root: Path, scenes: Sequence[Sequence[Mapping]], report: Report) -> None:
    """Check the map of each location, and that no ego pose is outside it."""
    bounds = {}
    for location in sorted({scene[0]['location'] for scene in scenes}):
        report.count('maps')
        path = root / 'maps' / 'expansion' / f'{location}.json'
        try:
            nodes = MapGeometry.read(path).content['node']
        except (OSError, ValueError, KeyError) as error:
            report.error('maps', f'location {location!r}: {error}')
            continue
        points = np.array([(node['x'], node['y']) for node in nodes])
        bounds[location] = points.min(0) - _MARGIN, points.max(0) + _MARGIN
    for scene in scenes:
        if scene[0]['location'] not in bounds:
            continue
        low, high = bounds[scene[0]['location']]
        positions = np.array([np.asarray(frame['ego2global'])[:2, 3] for frame in scene])
        outside = int((~((positions > low) & (positions < high)).all(1)).sum())
        if outside:
            name = scene[0]['scene_name']
            report.error('maps', f'{name}: {outside} of {len(scene)} ego poses lie outside map {scene[0]["location"]}')
