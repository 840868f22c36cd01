"""Load the BEV labels of the current frame."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ssl_bev.targets import IGNORE

from ..bev_label_files import read_label, read_label_manifest
from ..move_labels import move_labels


@TRANSFORMS.register_module()
class LoadBEVMasks(BaseTransform):
    """Read the label file of a labelled window's current frame; other samples pass unchanged.

    If the pipeline of a detector rotated, mirrored or scaled the frame before, the labels follow.

    Required Keys: frames, labelled, label_dir, bev_frame; optional bev_aug

    Added Keys (of labelled samples):
        - gt_bev_seg: (K, H, W) uint8, 0, 1 or 255 = ignore: unknown, or with bev_aug outside of the file
        - bev_classes, those of the label files in their order; x_range, y_range, cell_size

    Raises:
        FileNotFoundError: no manifest, or no label file of the frame.
        ValueError: labels in another BEV frame, or a file of another size.
    """

    def __init__(self) -> None:
        self._manifests: dict[str, dict] = {}

    def transform(self, results: dict) -> dict:
        if not results['labelled']:
            return results
        folder = results['label_dir']
        if folder not in self._manifests:
            self._manifests[folder] = read_label_manifest(folder)
        manifest = self._manifests[folder]
        if manifest['bev_frame'] != results['bev_frame']:
            raise ValueError(
                f"the labels in {folder} are in the {manifest['bev_frame']!r} frame, the dataset's bev_frame is "
                f'{results["bev_frame"]!r}; make them again with tools/create_data.py --bev-frame'
            )
        results['gt_bev_seg'] = read_label(folder, results['frames'][-1]['token'], manifest)
        if not np.array_equal(results.get('bev_aug', np.eye(4)), np.eye(4)):
            results['gt_bev_seg'] = move_labels(results['gt_bev_seg'], manifest['grid'], results['bev_aug'], IGNORE)
        results['bev_classes'] = list(manifest['classes'])
        for key in ('x_range', 'y_range', 'cell_size'):
            results[key] = getattr(manifest['grid'], key)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
