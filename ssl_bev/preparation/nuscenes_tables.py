"""The v1.0 tables of a nuScenes-format root, with the look-ups that info files need.

v1.0-trainval has 2.6 million records in each of two tables, most of them of radars and lidar sweeps. Only the needed
records are kept, which saves a few gigabytes.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np

from ssl_bev.files.rules import Fault
from ssl_bev.files.rules import name as folder_name

from .table_files import read_table
from .table_values import ego_pose_matrix, pose_matrix
from .timestamps import convert_timestamps, keyframe_gaps

# Tables that are read completely, and the needed fields of each record.
SMALL_TABLES = {
    'scene': ('name', 'log_token', 'first_sample_token'),
    'log': (),
    'sample': ('timestamp', 'prev', 'next'),
    'calibrated_sensor': ('sensor_token',),
    'sensor': ('channel',),  # and modality, where it is there
}
BOX_TABLES = {
    'sample_annotation': ('sample_token', 'instance_token', 'size', 'prev', 'next', 'num_lidar_pts', 'num_radar_pts'),
    'instance': ('category_token',),
    'category': ('name',),
}
LIDAR = 'LIDAR_TOP'
_SENSOR_FIELDS = (
    'token',
    'sample_token',
    'ego_pose_token',
    'calibrated_sensor_token',
    'timestamp',
    'filename',
    'is_key_frame',
    'next',
)
# Missing in other datasets of this format.
_OPTIONAL_FIELDS = ('height', 'width')
logger = logging.getLogger(__name__)
# The order in mmdet3d; other cameras follow by name.
CAMERAS = ('CAM_FRONT', 'CAM_FRONT_RIGHT', 'CAM_FRONT_LEFT', 'CAM_BACK', 'CAM_BACK_LEFT', 'CAM_BACK_RIGHT')


class NuScenesTables:
    """Tables by token. Neither images nor the basemaps of the devkit need to exist.

    Args:
        root: folder of the dataset.
        version: folder of the tables below it, such as v1.0-mini.
        with_boxes: read the annotations, if there are any.
        with_sweeps: keep the camera frames between keyframes.

    Raises:
        FileNotFoundError: no root, no such version, or a table that is missing.
        ValueError: a table that is no JSON or lacks fields, or an invalid timestamp.
    """

    def __init__(self, root: str | Path, version: str, with_boxes: bool = True, with_sweeps: bool = True) -> None:
        self.root = Path(root)
        self.version = version
        if not self.root.is_dir():
            raise FileNotFoundError(f'--data-root: no folder {self.root}')
        if not (self.root / version).is_dir():
            found = sorted(p.parent.name for p in self.root.glob('*/sample_data.json'))
            raise FileNotFoundError(
                f'--version: {self.root} has no tables {version!r}; versions there: {", ".join(found) or "none"}'
            )
        self.records = {name: self._read(name, fields) for name, fields in SMALL_TABLES.items()}
        self.camera_names = {self._folder_name(s) for s in self.records['sensor'].values() if _is_camera(s)}
        self.records['sample_data'] = self._read('sample_data', _SENSOR_FIELDS, self._sensor_record_filter(with_sweeps))
        gaps = keyframe_gaps(self.records['sample'])
        for name in ('sample', 'sample_data'):
            convert_timestamps(name, self.records[name].values(), gaps)
        poses = {record['ego_pose_token'] for record in self.records['sample_data'].values()}
        self.records['ego_pose'] = self._read('ego_pose', (), lambda pose: pose if pose['token'] in poses else None)
        if with_boxes and (self.root / version / 'sample_annotation.json').is_file():
            self.records |= {name: self._read(name, fields) for name, fields in BOX_TABLES.items()}
        self.scenes = list(self.records['scene'].values())
        self._samples_of_scene: dict[str, set[str]] = defaultdict(set)
        for record in self.records['sample'].values():
            self._samples_of_scene[record.get('scene_token', '')].add(record['token'])
        self.keyframe_data: dict[str, dict[str, dict]] = defaultdict(dict)
        for record in self.records['sample_data'].values():
            if record['is_key_frame']:
                self.keyframe_data[record['sample_token']][self.channel(record)] = record
        self.has_lidar = any(LIDAR in data for data in self.keyframe_data.values())
        if not self.has_lidar:
            logger.warning('%s: no %s; keyframes take time and pose from their first camera', root, LIDAR)
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
            raise ValueError(
                f'{self.root / self.version}: table {table} has no record {token!r}, which another table '
                f'refers to; unpack all tables of the same release'
            ) from error

    def channel(self, sample_data: dict) -> str:
        """The sensor of a sample_data record."""
        calibrated = self.get('calibrated_sensor', sample_data['calibrated_sensor_token'])
        return self.get('sensor', calibrated['sensor_token'])['channel']

    def scene_token(self, sample_data: dict) -> str:
        """The scene of a sample_data record, '' if its sample names none."""
        return self.get('sample', sample_data['sample_token']).get('scene_token', '')

    def location(self, scene: dict) -> str:
        """The name of the map of the scene; '' if its log names none, as in datasets without maps."""
        location = self.get('log', scene['log_token']).get('location') or ''
        if not isinstance(location, str):
            raise ValueError(f'{self._where("log", scene["log_token"])}: location must be a text, got {location!r}')
        return location

    def samples(self, scene: dict) -> list[dict]:
        """The keyframes of a scene in the order of their links.

        Raises:
            ValueError: links that run in a circle, into another scene, or past some of the scene's samples.
        """
        samples: dict[str, dict] = {}
        token = scene['first_sample_token']
        name = f'scene {scene["name"]}'
        while token:
            if token in samples:
                raise ValueError(f'{self._where("sample", token)}: the links `next` of {name} run in a circle to it')
            sample = samples[token] = self.get('sample', token)
            if sample.get('scene_token', scene['token']) != scene['token']:
                raise ValueError(
                    f'{self._where("sample", token)}: the links `next` of {name}, token {scene["token"]!r}, lead to '
                    f'it, but its scene_token is {sample["scene_token"]!r}; end the chain before it'
                )
            token = sample['next']
        if missed := self._samples_of_scene[scene['token']] - samples.keys():
            raise ValueError(
                f'{self._where("sample", min(missed))}: {len(missed)} of the samples of {name} are not reached by the '
                f'links `next` from first_sample_token {scene["first_sample_token"]!r}; mend the links'
            )
        return list(samples.values())

    def sensor2ego(self, sample_data: dict) -> np.ndarray:  # (4, 4)
        """Pose of the sensor in the ego frame."""
        record = self.get('calibrated_sensor', sample_data['calibrated_sensor_token'])
        return pose_matrix(record, self._where('calibrated_sensor'))

    def ego2global(self, sample_data: dict) -> np.ndarray:  # (4, 4)
        """Pose of the ego frame at the time of the sensor."""
        return ego_pose_matrix(
            self.get('ego_pose', sample_data['ego_pose_token']),
            f'{self._where("ego_pose")} (of sample {sample_data["sample_token"]})',
        )

    def cameras(self, sample: dict) -> list[str]:
        """The cameras of a keyframe."""
        names = [name for name in self.keyframe_data[sample['token']] if name in self.camera_names]
        return sorted(names, key=lambda name: (CAMERAS.index(name) if name in CAMERAS else len(CAMERAS), name))

    def _sensor_record_filter(self, with_sweeps: bool) -> Callable[[dict], dict | None]:
        """The needed records of sample_data: keyframes of cameras and lidar, sweeps of cameras."""
        # Records of an unknown sensor are kept, so that the broken link is detected.
        others = {token for token in self.records['calibrated_sensor'] if not self._is_camera(token)}
        radars = {token for token in others if self.channel({'calibrated_sensor_token': token}) != LIDAR}

        def keep(record: dict) -> dict | None:
            dropped = radars if record['is_key_frame'] else others
            if record['calibrated_sensor_token'] in dropped or not (record['is_key_frame'] or with_sweeps):
                return None
            slim = {field: record[field] for field in _SENSOR_FIELDS}
            return slim | {field: record.get(field) for field in _OPTIONAL_FIELDS}

        return keep

    def _is_camera(self, calibrated_sensor_token: str) -> bool:
        return self.channel({'calibrated_sensor_token': calibrated_sensor_token}) in self.camera_names

    def _folder_name(self, sensor: Mapping) -> str:
        """The channel of a camera, which names its folders."""
        try:
            return folder_name(sensor['channel'])
        except Fault as fault:
            raise ValueError(f'{self._where("sensor", sensor["token"])}: channel {fault}') from None

    def _read(
        self, name: str, fields: Collection[str], keep: Callable[[dict], dict | None] | None = None
    ) -> dict[str, dict]:
        """The records of a table by token; `keep` returns the needed part of one, None: nothing."""
        path = self.root / self.version / f'{name}.json'
        logger.info('reading %s', path)
        # Each record is reduced when it is parsed, so that the full table is never in memory.
        return read_table(path, fields, keep)

    def _where(self, table: str, token: str | None = None) -> str:
        where = f'{self.root / self.version}: table {table}'
        return where if token is None else f'{where}, token {token!r}'


def _is_camera(sensor: Mapping) -> bool:
    """By its modality, or by its name if the table has no modalities."""
    return sensor.get('modality') == 'camera' or sensor['channel'].startswith('CAM')
