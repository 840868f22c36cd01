"""Frames of an info file, in the same form as for nuScenes, from the scenes of drives files."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import zip_longest

import numpy as np

from ..frame_records import spread
from .drives import Frame, Image, Scene
from .pose_track import PoseTrack

logger = logging.getLogger(__name__)


def scene_records(scene: Scene, every: int = 1, min_distance: float = 0.0, max_sweeps: int = 5) -> list[dict]:
    """The keyframes of a scene, each with the frames between it and the next as its sweeps.

    Args:
        scene: with its frames.
        every: only every n-th frame that is marked as a keyframe becomes one.
        min_distance: least distance of a keyframe from the one before, metres.
        max_sweeps: number of frames between two keyframes that are kept, evenly spread.

    Raises:
        ValueError: an image at a time for which no pose can be interpolated.
    """
    chosen = choose_keyframes(scene.frames, every, min_distance)
    if skipped := chosen[0] if chosen else len(scene.frames):
        logger.warning('scene %s: %d frames before its first keyframe are left out', scene.name, skipped)
    builder = _SceneRecords(scene)
    tokens = ['', *(scene.frames[position].token for position in chosen), '']
    records = []
    for index, (position, end) in enumerate(zip_longest(chosen, chosen[1:])):
        links = {'prev': tokens[index], 'next': tokens[index + 2], 'frame_index': index}
        record = builder.record(scene.frames[position], is_keyframe=True) | links
        # After the last keyframe there is no interval.
        between = scene.frames[position + 1 : end] if end is not None else []
        links['prev'] = record['token']
        record['sweeps'] = [builder.record(frame, is_keyframe=False) | links for frame in spread(between, max_sweeps)]
        records.append(record)
    return records


def choose_keyframes(frames: Sequence[Frame], every: int = 1, min_distance: float = 0.0) -> list[int]:
    """The positions of the frames that become keyframes, see `scene_records`."""
    marked = [position for position, frame in enumerate(frames) if frame.is_keyframe][::every]
    chosen: list[int] = []
    for position in marked:
        way = frames[position].ego2global[:3, 3] - frames[chosen[-1]].ego2global[:3, 3] if chosen else np.inf
        if np.linalg.norm(way) >= min_distance:
            chosen.append(position)
    return chosen


class _SceneRecords:
    """Builds the records of one scene; records of one camera share their lists, in memory and in the pickle."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.track = PoseTrack([f.timestamp for f in scene.frames], [f.ego2global for f in scene.frames])
        self.shared = {
            name: {
                'height': camera.size[0],
                'width': camera.size[1],
                'cam2img': camera.cam2img.tolist(),
                'cam2ego': camera.cam2ego.tolist(),
                **({} if camera.lens is None else {'lens': camera.lens}),
            }
            for name, camera in scene.rig.cameras.items()
        }

    def record(self, frame: Frame, is_keyframe: bool) -> dict:
        """One frame, without links and sweeps, and without lidar fields if there is no lidar."""
        rig = self.scene.rig
        # Matrices of cameras start from the lidar, or from the vehicle if there is none.
        reference2ego = np.eye(4) if rig.lidar2ego is None else rig.lidar2ego
        reference2global = frame.ego2global @ reference2ego
        record = {
            'token': frame.token,
            'timestamp': frame.timestamp,
            'ego2global': frame.ego2global.tolist(),
            'images': {
                name: self._image(name, frame.images[name], frame, reference2global)
                for name in rig.cameras
                if name in frame.images
            },
            'instances': [],
            'scene_token': self.scene.name,
            'scene_name': self.scene.name,
            'location': self.scene.location,
            'is_keyframe': is_keyframe,
        }
        if rig.lidar2ego is not None:
            record['lidar_points'] = {
                'num_pts_feats': rig.num_features,
                'lidar_path': frame.lidar,
                'lidar2ego': rig.lidar2ego.tolist(),
            }
        return record

    def _image(self, name: str, image: Image, frame: Frame, reference2global: np.ndarray) -> Mapping:
        try:
            ego2global = self.track.at(image.timestamp) if image.ego2global is None else image.ego2global
        except ValueError as error:
            raise ValueError(
                f'{frame.where}: the pose of the vehicle at the time {image.timestamp!r} of image {name} is unknown: '
                f'{error}; give the image its vehicle_to_world, or frames around it'
            ) from None
        # Through the global frame, since the vehicle moves between the times of camera and frame.
        cam2global = ego2global @ self.scene.rig.cameras[name].cam2ego
        return {
            'img_path': image.path,
            **self.shared[name],
            'lidar2cam': (np.linalg.inv(cam2global) @ reference2global).tolist(),
            'sample_data_token': f'{frame.token}/{name}',
            'timestamp': image.timestamp,
        }
