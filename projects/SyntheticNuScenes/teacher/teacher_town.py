"""mmsegmentation's view of the synthetic teacher town: images and exact class maps."""

from __future__ import annotations

import mmcv
import numpy as np
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from projects.SyntheticNuScenes.synthetic_nuscenes.class_names import CLASS_NAMES
from ssl_bev.targets import IGNORE


@DATASETS.register_module()
class TeacherTown(BaseSegDataset):
    """Images in samples/, class maps in oracle/labels/, as `create.py --split teacher` writes them.

    The files have ids of Mapillary Vistas v2.0. `metainfo.classes` lists the names of the classes to learn; pixels of
    other classes are ignored.
    """

    METAINFO = dict(classes=CLASS_NAMES)

    def __init__(self, **kwargs) -> None:
        super().__init__(
            data_prefix=dict(img_path='samples', seg_map_path='oracle/labels'),
            img_suffix='.jpg',
            seg_map_suffix='.png',
            reduce_zero_label=False,
            **kwargs,
        )

    def get_cat_ids(self, idx: int) -> list[int]:
        """The classes that a picture shows, for mmengine's `ClassBalancedDataset`."""
        info = self.get_data_info(idx)
        shown = np.unique(mmcv.imread(info['seg_map_path'], 'unchanged')).tolist()
        classes = {info['label_map'][number] for number in shown} if info['label_map'] else set(shown)
        return sorted(classes - {IGNORE})
