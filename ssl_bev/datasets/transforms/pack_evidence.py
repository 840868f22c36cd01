"""The last transform of models without images."""

from __future__ import annotations

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ssl_bev.structures import BEVDataSample


@TRANSFORMS.register_module()
class PackEvidence(BaseTransform):
    """Pack accumulated targets as the input of `MapCompletion`, and BEV labels, if there are any, as its target.

    Required Keys: frames, accumulated_probability, accumulated_weight, accumulated_classes; optional gt_bev_seg with
    bev_classes, x_range, y_range, cell_size

    Added Keys:
        - inputs: dict(evidence=(2 K, H, W) float32): for each class, its probability; for each class, its weight of
          observation; both 0 ... 1
        - data_samples: BEVDataSample
    """

    def transform(self, results: dict) -> dict:
        current = results['frames'][-1]
        weight = results['accumulated_weight'].astype(np.float32) / 255
        evidence = np.concatenate([results['accumulated_probability'] / np.float32(255) * weight, weight])
        meta = dict(evidence_classes=results['accumulated_classes'], sample_token=current['token'])
        if 'gt_bev_seg' in results:
            meta |= {key: results[key] for key in ('bev_classes', 'x_range', 'y_range', 'cell_size')}
        sample = BEVDataSample(metainfo=meta)
        if 'gt_bev_seg' in results:
            sample.gt_bev_seg = torch.from_numpy(np.ascontiguousarray(results['gt_bev_seg']))
        return {'inputs': {'evidence': torch.from_numpy(evidence)}, 'data_samples': sample}

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
