"""Drive through one scene, take its pictures and write down its table records."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import cv2
import numpy as np

from ssl_bev.pseudo_labels.storage import PseudoLabelWriter

from . import lidar
from .annotation_noise import LocalisationError
from .calibration import CAMERAS, LIDAR
from .class_names import CLASS_NAMES
from .map_expansion import MapContent, token
from .renderer import render
from .scene_annotations import SceneAnnotations
from .scene_plan import Options, ScenePlan
from .structures import Camera
from .tables import CHANNELS, Record, Tables, empty_tables, link, quaternion
from .terrain import Terrain
from .traffic import Traffic
from .world import World

KEYFRAME_INTERVAL = 0.5
_FIRST_DAY = datetime(2018, 7, 24, 11, 22, 45, tzinfo=timezone(timedelta(hours=8)))


def oracle_writer(root: Path) -> PseudoLabelWriter:
    """Return a writer of exact class maps; any number of processes may have one."""
    return PseudoLabelWriter(root / 'oracle', 'oracle', token('oracle', *CLASS_NAMES) * 2, CLASS_NAMES)


class SceneRecorder:
    """Records one scene.

    Args:
        plan: The scene.
        options: What the dataset is like.
        content: The true map of its town.
        root: Folder of the dataset.
    """

    def __init__(self, plan: ScenePlan, options: Options, content: MapContent, root: Path) -> None:
        self.plan, self.options, self.root = plan, options, root
        self.terrain = Terrain(options.terrain, plan.seed)
        duration = KEYFRAME_INTERVAL * options.frames
        keep_left = plan.location.startswith('singapore')
        self.traffic = Traffic(content, plan.seed, duration, self.terrain, options.density, keep_left)
        self.world = World(content, plan.seed, self.traffic.bounds, self.terrain)
        self._error = LocalisationError(plan.seed, options.annotation_noise)
        self._rng = np.random.default_rng([plan.seed, 9])
        self._oracle = oracle_writer(root)
        began = _FIRST_DAY + timedelta(days=plan.index // 12, minutes=7 * (plan.index % 12))
        self._start_us = round(began.timestamp() * 1e6) + plan.seed % 1_000_000
        self._logfile = f'n015-{began:%Y-%m-%d-%H-%M-%S%z}'
        self._date = f'{began:%Y-%m-%d}'
        self._key = (options.seed, plan.location, plan.name)
        self.tables, self.truth = empty_tables(), empty_tables()
        self._annotations = SceneAnnotations(self._key)

    def record(self) -> tuple[Tables, Tables]:
        """Record the scene; returns its published and its exact records."""
        self._describe()
        instants = []
        for frame in range(self.options.frames):
            instants.append((frame, KEYFRAME_INTERVAL * frame, True))
            if frame + 1 < self.options.frames:
                gap = KEYFRAME_INTERVAL / (self.options.sweeps + 1)
                # A sweep belongs to the keyframe that follows it, as in nuScenes.
                instants += [
                    (frame + 1, KEYFRAME_INTERVAL * frame + gap * (i + 1), False) for i in range(self.options.sweeps)
                ]
        by_channel: dict[str, list[Record]] = {channel: [] for channel in CHANNELS}
        for frame, time, is_key_frame in instants:
            for channel in CAMERAS:
                by_channel[channel].append(self._take_picture(channel, frame, time, is_key_frame))
            if is_key_frame:
                by_channel['LIDAR_TOP'].append(self._scan(frame, time))
        for channel in CHANNELS:
            link(by_channel[channel])
            self.tables['sample_data'] += by_channel[channel]
        link(self.tables['sample'])
        self._oracle.close()
        self._annotations.write(self.tables, self.truth)
        samples = self.tables['sample']
        self.tables['scene'][0] |= {
            'nbr_samples': len(samples),
            'first_sample_token': samples[0]['token'],
            'last_sample_token': samples[-1]['token'],
        }
        for name in ('log', 'scene', 'sample', 'sample_data', 'calibrated_sensor'):
            self.truth[name] = self.tables[name]
        return self.tables, self.truth

    def _token(self, *parts: object) -> str:
        return token(*self._key, *parts)

    def _describe(self) -> None:
        plan = self.plan
        self.tables['log'] = [
            {
                'token': self._token('log'),
                'logfile': self._logfile,
                'vehicle': 'n015',
                'date_captured': self._date,
                'location': plan.location,
            }
        ]
        self.tables['scene'] = [
            {
                'token': self._token('scene'),
                'log_token': self._token('log'),
                'name': plan.name,
                'description': f'synthetic, {plan.look}, {self.options.terrain}',
            }
        ]
        height, width = self.options.image_size
        for channel in CHANNELS:
            mount = CAMERAS.get(channel, LIDAR)
            intrinsic = CAMERAS[channel].cam2img(height, width).tolist() if channel in CAMERAS else []
            self.tables['calibrated_sensor'].append(
                {
                    'token': self._token('calibrated_sensor', channel),
                    'sensor_token': token('sensor', channel),
                    'translation': list(mount.translation),
                    'rotation': list(mount.rotation),
                    'camera_intrinsic': intrinsic,
                }
            )

    def _take_picture(self, channel: str, frame: int, time: float, is_key_frame: bool) -> Record:
        model, (height, width) = CAMERAS[channel], self.options.image_size
        fired = time + model.delay_us * 1e-6
        timestamp = self._start_us + round(time * 1e6) + model.delay_us
        pose = self.traffic.ego_pose(fired) @ model.sensor2ego
        camera = Camera(channel, model.cam2img(height, width), pose, height, width)
        image, classes = render(self.world, camera, self.traffic.boxes_at(fired), self.plan.look)
        stem = f'{self._logfile}__{channel}__{timestamp}'
        name = f'{"samples" if is_key_frame else "sweeps"}/{channel}/{stem}.jpg'
        if not cv2.imwrite(str(self.root / name), image, [cv2.IMWRITE_JPEG_QUALITY, 93]):
            raise OSError(f'could not write {self.root / name}')
        self._oracle.write(channel, stem, classes, np.full(classes.shape, 255, np.uint8))
        return self._sample_data(channel, frame, fired, timestamp, name, is_key_frame, (height, width))

    def _scan(self, frame: int, time: float) -> Record:
        timestamp = self._start_us + round(time * 1e6)
        sample = {'token': self._token('sample', frame), 'timestamp': timestamp, 'scene_token': self._token('scene')}
        self.tables['sample'].append(sample)
        boxes, pose = self.traffic.boxes_at(time), self.traffic.ego_pose(time)
        result = lidar.scan(pose @ LIDAR.sensor2ego, boxes, self.terrain, self._rng, self.world.ground)
        planar = self.traffic.ego_pose(time, planar=True)
        self._annotations.add(sample['token'], boxes, pose, planar, planar @ self._error.delta(time), result)
        name = f'samples/LIDAR_TOP/{self._logfile}__LIDAR_TOP__{timestamp}.pcd.bin'
        result.points.tofile(self.root / name)
        return self._sample_data('LIDAR_TOP', frame, time, timestamp, name, True, (0, 0))

    def _sample_data(
        self,
        channel: str,
        frame: int,
        time: float,
        timestamp: int,
        filename: str,
        is_key_frame: bool,
        size: tuple[int, int],
    ) -> Record:
        record_token = self._token('sample_data', channel, timestamp)
        planar = self.traffic.ego_pose(time, planar=True)
        for tables, pose in ((self.tables, planar @ self._error.delta(time)), (self.truth, planar)):
            tables['ego_pose'].append(
                {
                    'token': record_token,
                    'timestamp': timestamp,
                    'rotation': quaternion(pose[:3, :3]),
                    'translation': pose[:3, 3].tolist(),
                }
            )
        return {
            'token': record_token,
            'sample_token': self._token('sample', frame),
            'ego_pose_token': record_token,
            'calibrated_sensor_token': self._token('calibrated_sensor', channel),
            'timestamp': timestamp,
            'fileformat': 'jpg' if channel in CAMERAS else 'pcd',
            'is_key_frame': is_key_frame,
            'height': size[0],
            'width': size[1],
            'filename': filename,
        }
