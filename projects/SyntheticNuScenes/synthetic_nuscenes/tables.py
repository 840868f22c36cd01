"""The tables of a nuScenes dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from .calibration import CAMERAS
from .map_expansion import token

Record = dict[str, Any]
Tables = dict[str, list[Record]]

TABLE_NAMES = [
    'attribute',
    'calibrated_sensor',
    'category',
    'ego_pose',
    'instance',
    'log',
    'map',
    'sample',
    'sample_annotation',
    'sample_data',
    'scene',
    'sensor',
    'visibility',
]
CHANNELS = [*CAMERAS, 'LIDAR_TOP']
# The devkit looks for the basemap of each location under the name that nuScenes published it with.
BASEMAPS = {
    'singapore-onenorth': '53992ee3023e5494b90c316c183be829',
    'singapore-queenstown': '93406b464a165eaba6d9de76ca09f5da',
    'singapore-hollandvillage': '37819e65e09e5547b8a3ceaefba56bb2',
    'boston-seaport': '36092f0b03a857c6a3403e25b4b7aab3',
}
LOCATIONS = list(BASEMAPS)
_CATEGORIES = [
    'animal',
    'human.pedestrian.adult',
    'human.pedestrian.child',
    'human.pedestrian.construction_worker',
    'human.pedestrian.personal_mobility',
    'human.pedestrian.police_officer',
    'human.pedestrian.stroller',
    'human.pedestrian.wheelchair',
    'movable_object.barrier',
    'movable_object.debris',
    'movable_object.pushable_pullable',
    'movable_object.trafficcone',
    'static_object.bicycle_rack',
    'vehicle.bicycle',
    'vehicle.bus.bendy',
    'vehicle.bus.rigid',
    'vehicle.car',
    'vehicle.construction',
    'vehicle.emergency.ambulance',
    'vehicle.emergency.police',
    'vehicle.motorcycle',
    'vehicle.trailer',
    'vehicle.truck',
]
_ATTRIBUTES = [
    'vehicle.moving',
    'vehicle.stopped',
    'vehicle.parked',
    'cycle.with_rider',
    'cycle.without_rider',
    'pedestrian.sitting_lying_down',
    'pedestrian.standing',
    'pedestrian.moving',
]
_VISIBILITIES = ('v0-40', 'v40-60', 'v60-80', 'v80-100')


def empty_tables() -> Tables:
    """Return all tables without records."""
    return {name: [] for name in TABLE_NAMES}


def shared_tables() -> Tables:
    """Return the tables that are the same in every dataset: categories, attributes, visibilities, sensors."""
    tables = empty_tables()
    tables['category'] = [
        {'token': token('category', name), 'name': name, 'description': f'synthetic {name}'} for name in _CATEGORIES
    ]
    tables['attribute'] = [
        {'token': token('attribute', name), 'name': name, 'description': f'synthetic {name}'} for name in _ATTRIBUTES
    ]
    tables['visibility'] = [
        {'token': str(i + 1), 'level': level, 'description': f'visibility of {level[1:]} per cent'}
        for i, level in enumerate(_VISIBILITIES)
    ]
    tables['sensor'] = [
        {'token': token('sensor', c), 'channel': c, 'modality': 'camera' if c in CAMERAS else 'lidar'} for c in CHANNELS
    ]
    return tables


def merge(parts: list[Tables]) -> Tables:
    """Return one set of tables with the records of all parts, in their order."""
    return {name: [record for part in parts for record in part[name]] for name in TABLE_NAMES}


def write_tables(tables: Tables, folder: Path) -> None:
    """Write one JSON file per table."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in TABLE_NAMES:
        (folder / f'{name}.json').write_text(json.dumps(tables[name], indent=0))


def link(records: list[Record]) -> None:
    """Set ``prev`` and ``next`` of consecutive records; '' at both ends."""
    tokens = ['', *(record['token'] for record in records), '']
    for i, record in enumerate(records):
        record['prev'], record['next'] = tokens[i], tokens[i + 2]


def quaternion(rotation: np.ndarray) -> list[float]:
    """Return a (3, 3) rotation as [w, x, y, z]."""
    x, y, z, w = Rotation.from_matrix(rotation).as_quat()
    sign = -1.0 if w < 0 else 1.0
    return [float(sign * v) for v in (w, x, y, z)]


def attribute_of(category: str, speed: float, is_parked: bool) -> list[str]:
    """Return the attribute tokens of something that goes ``speed`` metres per second."""
    if category in ('vehicle.bicycle', 'vehicle.motorcycle'):
        name = 'cycle.without_rider' if is_parked else 'cycle.with_rider'
    elif category.startswith('vehicle.'):
        name = 'vehicle.parked' if is_parked else 'vehicle.moving' if speed > 0.4 else 'vehicle.stopped'
    elif category.startswith('human.'):
        name = 'pedestrian.moving' if speed > 0.2 else 'pedestrian.standing'
    else:
        return []
    return [token('attribute', name)]


def visibility_of(share: float) -> str:
    """Return the visibility token of something of which this share (0 to 1) is seen."""
    return str(1 + sum(share > limit for limit in (0.4, 0.6, 0.8)))
