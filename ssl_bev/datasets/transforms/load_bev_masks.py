"""Load the BEV labels of the current frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ssl_bev.files import read_picture

from ..bev_label_files import label_path, read_label_manifest


@TRANSFORMS.register_module()
class LoadBEVMasks(BaseTransform):
    """Read the label file of a labelled window's current frame; other samples pass unchanged.

    Required Keys: frames, labelled, label_dir, bev_frame

    Added Keys (of labelled samples):
        - gt_bev_seg: (K, H, W) uint8, 0 or 1
        - bev_classes, x_range, y_range, cell_size

    Args:
        classes: the K classes by name; None: all of the label files, in their order.
        label_dir: folder of the label files instead of the dataset's; for another truth of the same frames.

    Raises:
        FileNotFoundError: no manifest, or no label file of the frame.
        ValueError: an unknown class, labels in another BEV frame, or a file of another size.
    """

    def __init__(self, classes: Sequence[str] | None = None, label_dir: str | None = None) -> None:
        self.classes = None if classes is None else tuple(classes)
        self.label_dir = label_dir
        self._manifests: dict[str, dict] = {}

    def transform(self, results: dict) -> dict:
        if not results['labelled']:
            return results
        folder = self.label_dir or results['label_dir']
        manifest = self._manifests.setdefault(folder, {}) or self._read_manifest(folder)
        if manifest['bev_frame'] != results['bev_frame']:
            raise ValueError(
                f"the labels in {folder} are in the {manifest['bev_frame']!r} frame, the dataset's bev_frame is "
                f'{results["bev_frame"]!r}; make them again with tools/create_data.py --bev-frame'
            )
        token = results['frames'][-1]['token']
        path = label_path(folder, token)
        bits = read_picture(path, cv2.IMREAD_UNCHANGED, f'BEV label of frame {token}')
        shape = manifest['grid'].shape
        if bits.shape != shape or bits.dtype != np.uint16:
            raise ValueError(
                f'BEV label {path} must be {shape} uint16 as its manifest says, got {bits.shape} {bits.dtype}'
            )
        classes = self.classes or tuple(manifest['classes'])
        positions = np.array([manifest['classes'].index(name) for name in classes], np.uint16)
        results['gt_bev_seg'] = ((bits >> positions[:, None, None]) & 1).astype(np.uint8)
        results['bev_classes'] = list(classes)
        for key in ('x_range', 'y_range', 'cell_size'):
            results[key] = getattr(manifest['grid'], key)
        return results

    def _read_manifest(self, folder: str) -> dict:
        manifest = read_label_manifest(folder)
        unknown = [name for name in self.classes or () if name not in manifest['classes']]
        if unknown:
            raise ValueError(f'classes {unknown} are not in the labels of {Path(folder)}: {manifest["classes"]}')
        self._manifests[folder] = manifest
        return manifest

    def __repr__(self) -> str:
        return f'{type(self).__name__}(classes={self.classes}, label_dir={self.label_dir!r})'
