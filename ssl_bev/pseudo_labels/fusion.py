"""The rule to fuse two teachers: the first knows road and paint, the second knows what hides the road."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ssl_bev.targets import IGNORE

from .label_map import LabelMap

LABEL_SPACE = 'mapillary_v1'
RULE = (
    'ground of the road teacher, but what hides the road in the other wins over it unless the road teacher is firm and '
    'surer; where the road teacher sees no ground, the other but for its road, which is ignored there'
)


class Fusion:
    """The rule, pixel by pixel. A class that all targets of the label map ignore is not ground.

    1. The road teacher sees ground: its label is used, unless the other sees no ground. Then the label of the other is
       used, unless the confidence of the road teacher is at least `firm` and above that of the other.
    2. The road teacher sees no ground: the label of the other is used, but if it is road, the two contradict each other
       and the pixel is ignored.

    The confidence is that of the used label.

    Args:
        class_names: of both teachers' ids, Mapillary Vistas v1.
        firm: confidence of a firm road teacher, 0 ... 1.

    Raises:
        ValueError: `firm` outside 0 ... 1, or an unknown class.
    """

    def __init__(self, class_names: Sequence[str], firm: float = 0.7) -> None:
        if not 0 <= firm <= 1:
            raise ValueError(f'firm must be in [0, 1], got {firm}')
        label_map = LabelMap.load(LABEL_SPACE)
        if strangers := [name for name in class_names if name not in label_map.class_names]:
            raise ValueError(f'class_names {strangers} are no classes of {LABEL_SPACE}')
        own = [label_map.class_names.index(name) for name in class_names]
        is_ground = (label_map.table(label_map.class_names, list(label_map.targets)) != IGNORE).any(1)[own]
        self._is_ground, self._hides, self._is_drivable = np.zeros((3, 256), bool)  # 255 is none of them
        self._is_ground[: len(own)] = is_ground
        self._hides[: len(own)] = ~is_ground
        self._is_drivable[: len(own)] = (label_map.table(label_map.class_names, ['drivable']) == 1)[own, 0]
        self._firm = 255 * firm

    def __call__(
        self,
        road: tuple[np.ndarray, np.ndarray],
        other: tuple[np.ndarray, np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fuse ids and confidence of an image, both (H, W) uint8; 255 = ignored, its confidence is 0."""
        (road_ids, road_confidence), (other_ids, other_confidence) = road, other
        is_firm = (road_confidence >= self._firm) & (road_confidence > other_confidence)
        takes_road = self._is_ground[road_ids] & (~self._hides[other_ids] | is_firm)
        takes_other = ~takes_road & ~self._is_drivable[other_ids]
        ids = np.select([takes_road, takes_other], [road_ids, other_ids], np.uint8(IGNORE))
        confidence = np.select([takes_road, takes_other], [road_confidence, other_confidence], np.uint8(0))
        return ids, np.where(ids == IGNORE, np.uint8(0), confidence)
