"""The annotated boxes of one scene."""

from __future__ import annotations

import numpy as np

from .calibration import planar_pose
from .lidar import LidarScan
from .map_expansion import token
from .structures import Box
from .tables import Record, Tables, attribute_of, link, quaternion, visibility_of

MAX_DISTANCE = 60.0


class SceneAnnotations:
    """Collects the annotations of a scene, as published and exact.

    Args:
        key: Names the scene; enters every token.
    """

    def __init__(self, key: tuple[object, ...]) -> None:
        self._key = key
        self._published: dict[int, list[Record]] = {}
        self._exact: dict[int, list[Record]] = {}
        self._category: dict[int, str] = {}

    def add(
        self,
        sample_token: str,
        boxes: list[Box],
        ego2world: np.ndarray,
        exact: np.ndarray,
        published: np.ndarray,
        scan: LidarScan,
    ) -> None:
        """Annotate what the lidar hit within 60 m.

        Convention: boxes are measured in the ego frame and carried to the global frame by an ego pose, as in nuScenes.

        Args:
            sample_token: The keyframe.
            boxes: All boxes at its time, in the rendered world.
            ego2world: (4, 4) true pose of the ego car in that world.
            exact: (4, 4) exact planar pose.
            published: (4, 4) published planar pose.
            scan: The lidar's view of the boxes.
        """
        for box in boxes:
            hits = scan.hits.get(box.instance, 0)
            in_ego = np.linalg.inv(ego2world) @ np.append(box.center, 1.0)
            if box.is_static or not hits or np.hypot(*in_ego[:2]) > MAX_DISTANCE:
                continue
            turn = planar_pose(0.0, 0.0, box.yaw)
            heading = (np.linalg.inv(ego2world) @ turn)[:2, 0]
            yaw_in_ego = planar_pose(0.0, 0.0, float(np.arctan2(heading[1], heading[0])))
            speed = float(np.hypot(*box.velocity))
            common = {
                'token': token(*self._key, 'sample_annotation', box.instance, sample_token),
                'sample_token': sample_token,
                'instance_token': token(*self._key, 'instance', box.instance),
                'visibility_token': visibility_of(hits / max(scan.reachable[box.instance], 1)),
                'attribute_tokens': attribute_of(box.category, speed, speed < 1e-6),
                'size': [box.size[1], box.size[0], box.size[2]],
                'num_lidar_pts': hits,
                'num_radar_pts': 0,
            }
            self._category[box.instance] = box.category
            for found, pose in ((self._exact, exact), (self._published, published)):
                place = {
                    'translation': (pose @ in_ego)[:3].tolist(),
                    'rotation': quaternion((pose @ yaw_in_ego)[:3, :3]),
                }
                found.setdefault(box.instance, []).append(common | place)

    def write(self, published: Tables, exact: Tables) -> None:
        """Append instances and annotations to both sets of tables."""
        for tables, found in ((published, self._published), (exact, self._exact)):
            for instance in sorted(found):
                records = found[instance]
                link(records)
                tables['sample_annotation'] += records
                tables['instance'].append(
                    {
                        'token': records[0]['instance_token'],
                        'category_token': token('category', self._category[instance]),
                        'nbr_annotations': len(records),
                        'first_annotation_token': records[0]['token'],
                        'last_annotation_token': records[-1]['token'],
                    }
                )
