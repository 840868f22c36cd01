"""The boxes of keyframes, as in info files of mmdet3d."""

from __future__ import annotations

import numpy as np
from nuscenes.eval.detection.utils import category_to_detection_name

from .nuscenes_tables import NuScenesTables
from .table_values import numbers, pose_matrix

# The order of labels in mmdet3d.
BOX_CLASSES = (
    'car',
    'truck',
    'trailer',
    'bus',
    'construction_vehicle',
    'bicycle',
    'motorcycle',
    'pedestrian',
    'traffic_cone',
    'barrier',
)
_TABLE = 'table sample_annotation'
# Seconds between two annotations of an object beyond which its velocity is unknown.
_MAX_VELOCITY_GAP = 1.5


def box_records(tables: NuScenesTables, sample: dict, lidar2global: np.ndarray) -> list[dict]:
    """The boxes of a keyframe in the frame of its lidar."""
    global2lidar = np.linalg.inv(lidar2global)
    instances = []
    for annotation in tables.annotations[sample['token']]:
        box2lidar = global2lidar @ pose_matrix(annotation, _TABLE)
        width, length, height = numbers(annotation, 'size', (3,), 'three finite numbers, metres', _TABLE).tolist()
        yaw = np.arctan2(box2lidar[1, 0], box2lidar[0, 0])
        category = tables.get('instance', annotation['instance_token'])['category_token']
        name = category_to_detection_name(tables.get('category', category)['name'])
        label = BOX_CLASSES.index(name) if name in BOX_CLASSES else -1
        velocity = global2lidar[:3, :3] @ _velocity(tables, annotation)
        instances.append(
            {
                'bbox_3d': [*box2lidar[:3, 3].tolist(), length, width, height, float(yaw)],
                'bbox_label': label,
                'bbox_label_3d': label,
                'velocity': velocity[:2].tolist(),
                'num_lidar_pts': annotation['num_lidar_pts'],
                'num_radar_pts': annotation['num_radar_pts'],
                'bbox_3d_isvalid': annotation['num_lidar_pts'] + annotation['num_radar_pts'] > 0,
            }
        )
    return instances


def _velocity(tables: NuScenesTables, annotation: dict) -> np.ndarray:  # (3,), metres per second, NaN where unknown
    ends = [tables.get('sample_annotation', t) if t else annotation for t in (annotation['prev'], annotation['next'])]
    times = [tables.get('sample', end['sample_token'])['timestamp'] / 1e6 for end in ends]
    gap = times[1] - times[0]
    both = ends[0] is not annotation and ends[1] is not annotation
    if not 0 < gap <= _MAX_VELOCITY_GAP * (2 if both else 1):
        return np.full(3, np.nan)
    velocity = (pose_matrix(ends[1], _TABLE) - pose_matrix(ends[0], _TABLE))[:3, 3] / gap
    return velocity * (1, 1, 0)
