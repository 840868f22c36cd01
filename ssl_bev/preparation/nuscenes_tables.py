"""The v1.0 tables of a nuScenes-format root, with the few look-ups that info files need.

v1.0-trainval has 2.6 million records in each of two tables, most of them of radars and lidar sweeps. Only what is
needed is kept, so that the tables take a few gigabytes less than all their records would.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

SMALL_TABLES = ('scene', 'log', 'sample', 'calibrated_sensor', 'sensor')
BOX_TABLES = ('sample_annotation', 'instance', 'category')
LIDAR = 'LIDAR_TOP'
_SENSOR_FIELDS = (
    'token',
    'sample_token',
    'ego_pose_token',
    'calibrated_sensor_token',
    'timestamp',
    'filename',
    'is_key_frame',
    'height',
    'width',
    'next',
)
logger = logging.getLogger(__name__)
# mmdet3d's order; other cameras follow by name.
CAMERAS = ('CAM_FRONT', 'CAM_FRONT_RIGHT', 'CAM_FRONT_LEFT', 'CAM_BACK', 'CAM_BACK_LEFT', 'CAM_BACK_RIGHT')


class NuScenesTables:
    """Tables by token. Neither images nor the devkit's basemaps need to be there.

    Args:
        root: folder of the dataset.
        version: folder of the tables below it, such as v1.0-mini.
        with_boxes: read the annotations, where there are any.
        with_sweeps: keep the camera frames between keyframes.

    Raises:
        FileNotFoundError: no root, no such version, or a table that is missing.
        ValueError: a table that is no JSON.
    """

    def __init__(self, root: str | Path, version: str, with_boxes: bool = True, with_sweeps: bool = True) -> None:
        self.root = Path(root)
        self.version = version
        if not self.root.is_dir():
            raise FileNotFoundError(f'--root: no folder {self.root}')
        if not (self.root / version).is_dir():
            found = sorted(p.parent.name for p in self.root.glob('*/sample_data.json'))
            raise FileNotFoundError(
                f'--version: {self.root} has no tables {version!r}; versions there: {", ".join(found) or "none"}'
            )
        self.records = {name: self._read(name) for name in SMALL_TABLES}
        self.records['sample_data'] = self._read('sample_data', self._sensor_record_filter(with_sweeps))
        poses = {record['ego_pose_token'] for record in self.records['sample_data'].values()}
        self.records['ego_pose'] = self._read('ego_pose', lambda pose: pose if pose['token'] in poses else None)
        if with_boxes and (self.root / version / 'sample_annotation.json').is_file():
            self.records |= {name: self._read(name) for name in BOX_TABLES}
        self.scenes = list(self.records['scene'].values())
        self.keyframe_data: dict[str, dict[str, dict]] = defaultdict(dict)
        for record in self.records['sample_data'].values():
            if record['is_key_frame']:
                self.keyframe_data[record['sample_token']][self.channel(record)] = record
        self.annotations: dict[str, list[dict]] = defaultdict(list)
        for record in self.records.get('sample_annotation', {}).values():
            self.annotations[record['sample_token']].append(record)

    def get(self, table: str, token: str) -> dict:
        """One record.

        Raises:
            ValueError: no such record: a broken link between the tables.
        """
        try:
            return self.records[table][token]
        except KeyError as error:
            raise ValueError(f'{self.root / self.version}: table {table} has no record {token!r}') from error

    def channel(self, sample_data: dict) -> str:
        """The sensor that a sample_data record comes from."""
        calibrated = self.get('calibrated_sensor', sample_data['calibrated_sensor_token'])
        return self.get('sensor', calibrated['sensor_token'])['channel']

    def location(self, scene: dict) -> str:
        """The name of the scene's map."""
        return self.get('log', scene['log_token'])['location']

    def samples(self, scene: dict) -> list[dict]:
        """The keyframes of a scene in the order of time."""
        samples = []
        token = scene['first_sample_token']
        while token:
            samples.append(self.get('sample', token))
            token = samples[-1]['next']
        return samples

    def sensor2ego(self, sample_data: dict) -> np.ndarray:  # (4, 4)
        """Pose of the sensor in the ego frame."""
        return pose_matrix(self.get('calibrated_sensor', sample_data['calibrated_sensor_token']))

    def ego2global(self, sample_data: dict) -> np.ndarray:  # (4, 4)
        """Pose of the ego frame when the sensor fired."""
        return pose_matrix(self.get('ego_pose', sample_data['ego_pose_token']))

    def cameras(self, sample: dict) -> list[str]:
        """The cameras of a keyframe."""
        names = [name for name in self.keyframe_data[sample['token']] if name.startswith('CAM')]
        return sorted(names, key=lambda name: (CAMERAS.index(name) if name in CAMERAS else len(CAMERAS), name))

    def _sensor_record_filter(self, with_sweeps: bool) -> Callable[[dict], dict | None]:
        """What to keep of sample_data: keyframes of cameras and lidar, sweeps of cameras."""
        # Records of an unknown sensor are kept, so that the broken link is noticed.
        others = {token for token in self.records['calibrated_sensor'] if not self._is_camera(token)}
        radars = {token for token in others if self.channel({'calibrated_sensor_token': token}) != LIDAR}

        def keep(record: dict) -> dict | None:
            dropped = radars if record['is_key_frame'] else others
            if record['calibrated_sensor_token'] in dropped or not (record['is_key_frame'] or with_sweeps):
                return None
            return {field: record[field] for field in _SENSOR_FIELDS}

        return keep

    def _is_camera(self, calibrated_sensor_token: str) -> bool:
        return self.channel({'calibrated_sensor_token': calibrated_sensor_token}).startswith('CAM')

    def _read(self, name: str, keep: Callable[[dict], dict | None] | None = None) -> dict[str, dict]:
        """The records of a table by token; `keep` returns what to keep of one, None: nothing."""
        path = self.root / self.version / f'{name}.json'
        if not path.is_file():
            raise FileNotFoundError(f'--root: table not found: {path}')
        logger.info('reading %s', path)
        try:
            # The hook gets each record as it is parsed, so that the full table is never in memory.
            records = json.loads(path.read_text(encoding='utf-8'), object_hook=keep)
            return {record['token']: record for record in records if record is not None}
        except json.JSONDecodeError as error:
            raise ValueError(f'--root: table {path} is no JSON: {error}') from error
        except (KeyError, TypeError) as error:
            raise ValueError(f'--root: table {path} is no list of {name} records of nuScenes: {error!r}') from error


def pose_matrix(record: dict) -> np.ndarray:  # (4, 4) float64
    """The matrix of a record's translation and rotation (a quaternion, w first)."""
    w, x, y, z = np.asarray(record['rotation'], np.float64) / np.linalg.norm(record['rotation'])
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = record['translation']
    return matrix
