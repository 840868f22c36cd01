"""The v1.0 tables of a nuScenes-format root, with the few look-ups that info files need."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np

TABLES = ('scene', 'log', 'sample', 'sample_data', 'ego_pose', 'calibrated_sensor', 'sensor')
BOX_TABLES = ('sample_annotation', 'instance', 'category')
# mmdet3d's order; other cameras follow by name.
CAMERAS = ('CAM_FRONT', 'CAM_FRONT_RIGHT', 'CAM_FRONT_LEFT', 'CAM_BACK', 'CAM_BACK_LEFT', 'CAM_BACK_RIGHT')


class NuScenesTables:
    """Tables by token. Neither images nor the devkit's basemaps need to be there.

    Args:
        root: folder of the dataset.
        version: folder of the tables below it, such as v1.0-mini.
        with_boxes: read the annotations, where there are any.

    Raises:
        FileNotFoundError: no root, no such version, or a table that is missing.
        ValueError: a table that is no JSON.
    """

    def __init__(self, root: str | Path, version: str, with_boxes: bool = True) -> None:
        self.root = Path(root)
        self.version = version
        if not self.root.is_dir():
            raise FileNotFoundError(f'--root: no folder {self.root}')
        if not (self.root / version).is_dir():
            found = sorted(p.parent.name for p in self.root.glob('*/sample_data.json'))
            raise FileNotFoundError(
                f'--version: {self.root} has no tables {version!r}; versions there: {", ".join(found) or "none"}'
            )
        names = TABLES + (
            BOX_TABLES if with_boxes and (self.root / version / 'sample_annotation.json').is_file() else ()
        )
        self._tables = {name: {record['token']: record for record in self._read(name)} for name in names}
        self.scenes = list(self._tables['scene'].values())
        self.keyframe_data: dict[str, dict[str, dict]] = defaultdict(dict)
        for record in self._tables['sample_data'].values():
            if record['is_key_frame']:
                self.keyframe_data[record['sample_token']][self.channel(record)] = record
        self.annotations: dict[str, list[dict]] = defaultdict(list)
        for record in self._tables.get('sample_annotation', {}).values():
            self.annotations[record['sample_token']].append(record)

    def get(self, table: str, token: str) -> dict:
        """One record.

        Raises:
            ValueError: no such record: a broken link between the tables.
        """
        try:
            return self._tables[table][token]
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

    def _read(self, name: str) -> list[dict]:
        path = self.root / self.version / f'{name}.json'
        if not path.is_file():
            raise FileNotFoundError(f'--root: table not found: {path}')
        try:
            return json.loads(path.read_text())
        except json.JSONDecodeError as error:
            raise ValueError(f'--root: table {path} is no JSON: {error}') from error


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
