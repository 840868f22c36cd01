"""The last transform: tensors of the sensor data, and one data sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS
from mmengine.structures import BaseDataElement

from ssl_bev.structures import BEVDataSample

LABEL_KEYS = (
    'gt_bev_seg',
    'pseudo_target',
    'pseudo_confidence',
    'accumulated_probability',
    'accumulated_weight',
    'completed_probability',
    'completed_weight',
)
META_KEYS = (
    'img_paths',
    'camera_names',
    'bev_frame',
    'img_shape',
    'bev_classes',
    'pseudo_classes',
    'pseudo_stride',
    'accumulated_classes',
    'accumulated_grid',
    'completed_classes',
    'completed_grid',
    'road_grid',
    'x_range',
    'y_range',
    'cell_size',
)


@TRANSFORMS.register_module()
class PackBEVInputs(BaseTransform):
    """Pack a window into `inputs` and `data_samples`; `bev2img` is composed here and nowhere else.

    Required Keys: cam2img, bev2cam, bev2global, road2bev, frames, frame_valid; img or img_shape; labels (`LABEL_KEYS`)
    and points where loaded; road_heights where known; camera_valid where a camera may be missing

    Added Keys:
        - inputs: img, (T, N, 3, H, W) uint8 tensor, BGR, where images were loaded; points, list of T' tensors (P, F)
          float32, where points were
        - data_samples: BEVDataSample

    Raises:
        ValueError: images of different sizes, or neither images nor points.
    """

    def transform(self, results: dict) -> dict:
        token = results['frames'][-1]['token']
        inputs: dict[str, torch.Tensor | list[torch.Tensor]] = {}
        if 'img' in results:
            results = results | {'img_shape': _common_size(results['img'], token)}
            inputs['img'] = torch.from_numpy(_channels_first(results['img']))
        if 'points' in results:
            inputs['points'] = [torch.from_numpy(points) for points in results['points']]
        if not inputs:
            raise ValueError(f'sample {token} has neither images nor points; load them before PackBEVInputs')
        sample = BEVDataSample()
        fill_sample(sample, results)
        return {'inputs': inputs, 'data_samples': sample}

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


def fill_sample(sample: BaseDataElement, results: Mapping) -> None:
    """Add calibration, poses, labels and their metainfo; existing metainfo of the same name is kept.

    So `img_shape` may be that of the pipeline of a detector, and `image_size` is always (height, width).
    """
    current = results['frames'][-1]
    meta = {key: results[key] for key in META_KEYS if key in results}
    meta.update(
        sample_token=current['token'],
        scene_token=current.get('scene_token', ''),
        scene_name=current.get('scene_name', ''),
        frame_index=current.get('frame_index', 0),
        location=current.get('location', ''),
        timestamps=[frame['timestamp'] for frame in results['frames']],
        image_size=tuple(results['img_shape']),
    )
    sample.set_metainfo({key: value for key, value in meta.items() if key not in sample.metainfo_keys()})
    sample.bev2img = torch.from_numpy(results['cam2img'] @ results['bev2cam']).float()
    sample.bev2global = torch.from_numpy(np.array(results['bev2global'], np.float64))
    sample.road2bev = torch.from_numpy(np.array(results['road2bev'])).float()
    if 'road_heights' in results:
        sample.road_heights = torch.from_numpy(results['road_heights']).float()
    sample.frame_valid = torch.tensor(results['frame_valid'], dtype=torch.bool)
    every = np.ones(results['cam2img'].shape[:2], bool)
    sample.camera_valid = torch.from_numpy(np.array(results.get('camera_valid', every)))
    for key in LABEL_KEYS:
        if key in results:
            sample.set_field(torch.from_numpy(np.ascontiguousarray(results[key])), key)


def _common_size(rows: Sequence[Sequence[np.ndarray]], token: str) -> tuple[int, int]:
    sizes = sorted({image.shape[:2] for row in rows for image in row})
    if len(sizes) != 1:
        raise ValueError(
            f'the images of sample {token} must have one size, got (height, width) {sizes}; '
            'put ResizeCropFlipImages before PackBEVInputs'
        )
    return sizes[0]


def _channels_first(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:  # T x N of (H, W, 3) -> (T, N, 3, H, W)
    height, width, channels = rows[0][0].shape
    stacked = np.empty((len(rows), len(rows[0]), channels, height, width), rows[0][0].dtype)
    for row, planes in zip(rows, stacked, strict=True):
        for image, channel_planes in zip(row, planes, strict=True):
            cv2.split(image, list(channel_planes))  # several times faster than a transposed copy
    return stacked
