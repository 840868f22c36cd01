# ruff: noqa: NPY002  (data workers seed the global generator)
"""Flips and rotations of the BEV frame."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import BasePoints

from ssl_bev.geometry import BEVGrid
from ssl_bev.targets import IGNORE

from ..move_labels import move_labels
from .load_accumulated_targets import KINDS


@TRANSFORMS.register_module()
class BEVFlipRotate(BaseTransform):
    """Mirror and rotate the BEV frame about its origin; labels, projections and poses follow, images do not change.

    Labels are read at the nearest cell, which is exact for a flip of a range that is symmetric about 0; cells from
    outside are ignored. One draw is used for all frames of a window, so their relative motion is that of the mirrored,
    rotated world. Put it after `LoadBEVPoints`.

    It is for models without images, such as `MapCompletion`, or models that lift by geometry alone, such as LSS. It is
    not for BEVFormer, which learns sampling offsets in the image that a mirrored map contradicts, nor for the points of
    a detector, whose own augmentation also moves its boxes.

    Optional Keys: bev_aug, bev2cam, bev2global, road2bev, points; gt_bev_seg with x_range, y_range, cell_size, and
    accumulated_probability and accumulated_weight with accumulated_grid; the same of kind 'completed'

    Modified Keys: bev_aug, bev2cam, bev2global, road2bev, points, gt_bev_seg, accumulated_probability,
    accumulated_weight, completed_probability, completed_weight

    Added Keys: bev_aug, (4, 4) float64, from the frame before all augmentation to the frame after

    Args:
        flip_x: probability of x -> -x.
        flip_y: probability of y -> -y.
        max_rotation: largest angle either way, radians.

    Raises:
        ValueError: an argument out of range, or the points of a detector.
    """

    def __init__(self, flip_x: float = 0.0, flip_y: float = 0.0, max_rotation: float = 0.0) -> None:
        for name, value in (('flip_x', flip_x), ('flip_y', flip_y)):
            if not 0 <= value <= 1:
                raise ValueError(f'{name} is a probability and must be in [0, 1], got {value}')
        if max_rotation < 0:
            raise ValueError(f'max_rotation must not be negative, got {max_rotation}')
        self.flip_x = flip_x
        self.flip_y = flip_y
        self.max_rotation = max_rotation

    def transform(self, results: dict) -> dict:
        if isinstance(results.get('points'), BasePoints):
            raise ValueError(
                f'BEVFlipRotate moves the points of LoadBEVPoints, not the {type(results["points"]).__name__} of a '
                'detector; use RandomFlip3D and GlobalRotScaleTrans before AdaptMultiViewImages, which follows them'
            )
        flips = np.random.uniform(size=2) < (self.flip_x, self.flip_y)
        angle = np.random.uniform(-1, 1) * self.max_rotation
        mirror = np.diag([*np.where(flips, -1.0, 1.0), 1.0, 1.0])
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        old2new = turn @ mirror
        new2old = old2new.T  # orthogonal, about the origin
        for key in ('bev2cam', 'bev2global'):
            if key in results:
                results[key] = results[key] @ new2old
        if 'road2bev' in results:
            results['road2bev'] = old2new @ results['road2bev']
        if 'points' in results:
            results['points'] = [_move_points(points, old2new) for points in results['points']]
        results['bev_aug'] = old2new @ results.get('bev_aug', np.eye(4))
        if 'gt_bev_seg' in results:
            grid = BEVGrid(results['x_range'], results['y_range'], results['cell_size'])
            results['gt_bev_seg'] = move_labels(results['gt_bev_seg'], grid, old2new, IGNORE)
        for kind in KINDS:
            for key in (f'{kind}_probability', f'{kind}_weight'):
                if key in results:  # cells from outside have no weight
                    results[key] = move_labels(results[key], results[f'{kind}_grid'], old2new, 0)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(flip_x={self.flip_x}, flip_y={self.flip_y}, max_rotation={self.max_rotation})'


def _move_points(points: np.ndarray, old2new: np.ndarray) -> np.ndarray:  # (P, F)
    return np.concatenate([(points[:, :3] @ old2new[:3, :3].T).astype(points.dtype), points[:, 3:]], 1)
