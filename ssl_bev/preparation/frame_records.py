"""Frames of an info file (mmdet3d's v2 schema with temporal fields) from nuScenes tables."""

from __future__ import annotations

import logging

import numpy as np

from ssl_bev.datasets.calibration import lidar2ego
from ssl_bev.files.lens import Lens
from ssl_bev.files.pictures import picture_size

from .box_records import box_records
from .nuscenes_tables import LIDAR, NuScenesTables
from .table_values import camera_distortion, camera_matrix

logger = logging.getLogger(__name__)
# Half the period of the cameras (12 Hz), and some.
_MAX_SWEEP_OFFSET = 0.06


class FrameRecords:
    """Builds keyframes and the camera frames between them.

    Args:
        tables: of the dataset.
        max_sweeps: number of unlabelled frames to keep per keyframe, evenly spread; 0: none.
        with_images: False: images are not used, so their cameras may be of any kind.
    """

    def __init__(self, tables: NuScenesTables, max_sweeps: int, with_images: bool = True) -> None:
        if max_sweeps < 0:
            raise ValueError(f'--max-sweeps must not be negative, got {max_sweeps}')
        self.tables = tables
        self.max_sweeps = max_sweeps
        self.with_images = with_images
        # Frames share the lists of one sensor, in memory and in the pickle.
        self._sensor2ego: dict[str, list] = {}
        self._cameras: dict[str, dict] = {}

    def keyframe(self, scene: dict, sample: dict, frame_index: int) -> dict:
        """A keyframe without sweeps, at the time of its lidar, or of its first camera if no keyframe has a lidar.

        Raises:
            ValueError: a keyframe without cameras, or without lidar if others have one.
        """
        data = self.tables.keyframe_data[sample['token']]
        cameras = self.tables.cameras(sample)
        has_lidar = self.tables.has_lidar
        if (has_lidar and LIDAR not in data) or not cameras:
            needed = f'{LIDAR} and cameras' if has_lidar else 'cameras'
            raise ValueError(f'sample {sample["token"]} of {scene["name"]} needs {needed}, got {sorted(data)}')
        leader = data[LIDAR] if has_lidar else data[cameras[0]]
        ego2global = self.tables.ego2global(leader)
        reference2ego = self.tables.sensor2ego(leader) if has_lidar else np.eye(4)
        frame = {
            'token': sample['token'],
            'timestamp': (sample if has_lidar else leader)['timestamp'] / 1e6,
            'ego2global': ego2global.tolist(),
            'images': {name: self._image(data[name], ego2global, reference2ego) for name in cameras},
            'instances': box_records(self.tables, sample, ego2global @ reference2ego),
            'scene_token': scene['token'],
            'scene_name': scene['name'],
            'frame_index': frame_index,
            'prev': sample['prev'],
            'next': sample['next'],
            'location': self.tables.location(scene),
            'is_keyframe': True,
        }
        if has_lidar:
            pose = self._sensor2ego_list(leader)
            frame['lidar_points'] = {'num_pts_feats': 5, 'lidar_path': leader['filename'], 'lidar2ego': pose}
        return frame

    def sweeps(self, keyframe: dict) -> list[dict]:
        """The camera frames after a keyframe and before the next, oldest first.

        The leading camera is the keyframe's first (CAM_FRONT); its pose is the frame's, and for each other camera
        the image nearest in time is used. A frame without such an image is left out.
        """
        if not self.max_sweeps:
            return []
        between = {name: self._between(camera['sample_data_token']) for name, camera in keyframe['images'].items()}
        leader = next(iter(between))
        pose = lidar2ego(keyframe)
        lidar = {key: value | {'lidar_path': ''} for key, value in keyframe.items() if key == 'lidar_points'}
        frames = []
        for lead in spread(between[leader], self.max_sweeps):
            nearest = {
                name: min(records, key=lambda record: abs(record['timestamp'] - lead['timestamp']), default=None)
                for name, records in between.items()
            }
            if any(
                r is None or abs(r['timestamp'] - lead['timestamp']) > _MAX_SWEEP_OFFSET * 1e6 for r in nearest.values()
            ):
                continue
            ego2global = self.tables.ego2global(lead)
            frames.append(
                {
                    **{key: keyframe[key] for key in ('scene_token', 'scene_name', 'frame_index', 'location', 'next')},
                    'prev': keyframe['token'],
                    'token': lead['token'],
                    'timestamp': lead['timestamp'] / 1e6,
                    'ego2global': ego2global.tolist(),
                    'images': {name: self._image(r, ego2global, pose) for name, r in nearest.items()},
                    **lidar,
                    'instances': [],
                    'is_keyframe': False,
                }
            )
        return frames

    def _between(self, token: str) -> list[dict]:
        """The images of a camera after that of a keyframe, if another keyframe follows them.

        Raises:
            ValueError: links that run in a circle or to another sensor.
        """
        records: list[dict] = []
        first = self.tables.get('sample_data', token)
        channel, seen, token = self.tables.channel(first), {token}, first['next']
        while token:
            record = self.tables.get('sample_data', token)
            fault = ''
            if token in seen:
                fault = 'run in a circle'
            elif self.tables.channel(record) != channel:
                fault = f'lead to sensor {self.tables.channel(record)}'
            elif self.tables.scene_token(record) != self.tables.scene_token(first):
                fault = f'lead into scene {self.tables.scene_token(record)!r}'
            if fault:
                raise ValueError(
                    f'{self.tables.root / self.tables.version}: table sample_data, token {token!r}: the links `next` '
                    f'of {channel} from {first["token"]!r} {fault}; mend the links'
                )
            seen.add(token)
            if record['is_key_frame']:
                return records
            records.append(record)
            token = record['next']
        return []  # after the last keyframe there is no interval

    def _image(self, record: dict, ego2global: np.ndarray, reference2ego: np.ndarray) -> dict:
        cam2ego = self.tables.sensor2ego(record)
        # Through the global frame, since the ego car moves between the times of camera and lidar.
        cam2global = self.tables.ego2global(record) @ cam2ego
        return {
            'img_path': record['filename'],
            'height': record['height'],
            'width': record['width'],
            **self._optics(record),
            'cam2ego': self._sensor2ego_list(record),
            'lidar2cam': (np.linalg.inv(cam2global) @ ego2global @ reference2ego).tolist(),
            'sample_data_token': record['token'],
            'timestamp': record['timestamp'] / 1e6,
        }

    def _sensor2ego_list(self, record: dict) -> list:
        token = record['calibrated_sensor_token']
        if token not in self._sensor2ego:
            self._sensor2ego[token] = self.tables.sensor2ego(record).tolist()
        return self._sensor2ego[token]

    def _optics(self, record: dict) -> dict:
        """cam2img, and the lens if it distorts; the undistorted image has the size and matrix of the file."""
        token = record['calibrated_sensor_token']
        if not self.with_images:
            return {'cam2img': []}
        if token not in self._cameras:
            where = f'{self.tables.root / self.tables.version}: table calibrated_sensor'
            calibration = self.tables.get('calibrated_sensor', token)
            camera = self._cameras[token] = {'cam2img': camera_matrix(calibration, where)}
            if coefficients := camera_distortion(calibration, where):
                logger.warning('%s, token %r: distorted images, which are undistorted on loading', where, token)
                height, width = self._picture_size(record)
                lens = {'model': 'pinhole', 'coefficients': coefficients, **camera, 'height': height, 'width': width}
                camera |= {'lens': lens, 'height': height, 'width': width}
                try:
                    Lens.of(camera).check()
                except ValueError as error:
                    raise ValueError(f'{where}, token {token!r}: {error}') from None
        return self._cameras[token]

    def _picture_size(self, record: dict) -> tuple[int, int]:
        if record['height'] and record['width']:
            return record['height'], record['width']
        return picture_size(self.tables.root / record['filename'])


def spread(records: list[dict], count: int) -> list[dict]:
    """At most `count` records, evenly spread between their ends."""
    if len(records) <= count:
        return records
    step = (len(records) + 1) / (count + 1)
    return [records[round((i + 1) * step) - 1] for i in range(count)]
