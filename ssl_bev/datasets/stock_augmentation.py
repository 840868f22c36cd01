"""The effect of mmdet3d's augmentations, read from the keys that they write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

FLIPS = {'horizontal': (True, False), 'vertical': (False, True), 'diagonal': (True, True)}


def image_augmentation(
    results: Mapping,
    view: int,
    file_size: Sequence[int],
) -> np.ndarray:  # (3, 3) float64
    """From pixels of a view's file to pixels of its augmented image: resized, cropped, flipped, in this order.

    Convention: the corner of an image is (0, 0). See `AdaptMultiViewImages` for the keys of mmdet3d.

    Args:
        results: of the pipeline.
        view: number of the view.
        file_size: height and width of the image file.

    Raises:
        ValueError: augmentations in another order, or keys that are not sufficient.
    """
    before, after = (_intrinsics(results[key][view]) for key in ('ori_cam2img', 'cam2img'))
    augmentation = after @ np.linalg.inv(before)
    scale = augmentation.diagonal()[:2]
    if 'img_crop_offset' in results and isinstance(results['cam2img'][view], list):
        augmentation[:2, 2] -= _of_view(results, 'img_crop_offset', view)
    size = np.array(results['img'][view].shape[1::-1])  # width, height
    padded = 'pad_size_divisor' in results
    if not padded:
        corners = np.linalg.inv(augmentation) @ [[0, size[0]], [0, size[1]], [1, 1]]
        if (corners[:2] < -1).any() or (corners[:2] > np.array(file_size)[::-1, None] + 1).any():
            raise ValueError(
                f'view {view} would reach beyond its file of (height, width) = {tuple(file_size)}: a resize must come '
                'before the crop, and a flip after it'
            )
    if not _of_view(results, 'flip', view):
        return augmentation
    if not isinstance(results['flip'], list):
        raise ValueError('RandomFlip3D on images of several views must be inside MultiViewWrapper')
    across = np.array(FLIPS[_of_view(results, 'flip_direction', view)])
    flipped = _size_when_flipped(results, view, np.where(padded, np.rint(scale * np.array(file_size)[::-1]), size))
    mirror = np.diag([*np.where(across, -1.0, 1.0), 1.0])
    mirror[:2, 2] = np.where(across, flipped, 0)
    return mirror @ augmentation


def lidar_augmentation(results: Mapping) -> np.ndarray:  # (4, 4) float64
    """From the lidar frame before to the lidar frame after the points were flipped, rotated, scaled and translated.

    Raises:
        ValueError: two rotations, scalings or translations, of which mmdet3d keeps only the last, or an unknown step.
    """
    flow = list(results.get('transformation_3d_flow', ()))
    twice = sorted({step for step in flow if step in ('R', 'S', 'T') and flow.count(step) > 1})
    if twice:
        raise ValueError(f'transformation_3d_flow {flow} has {twice} more than once; only the last one is known')
    old2new = np.eye(4)
    for step in flow:
        change = np.eye(4)
        if step == 'R':  # of row vectors
            change[:3, :3] = np.asarray(results['pcd_rotation'], np.float64).T
        elif step == 'S':
            change[:3, :3] *= float(results['pcd_scale_factor'])
        elif step == 'T':
            change[:3, 3] = np.asarray(results['pcd_trans'], np.float64)
        elif step == 'HF':
            change[1, 1] = -1
        elif step == 'VF':
            change[0, 0] = -1
        else:
            raise ValueError(f"transformation_3d_flow {flow}: {step!r} is none of 'R', 'S', 'T', 'HF', 'VF'")
        old2new = change @ old2new
    return old2new


def _size_when_flipped(results: Mapping, view: int, expected: np.ndarray) -> np.ndarray:  # (2,): width, height
    recorded = _of_view(results, 'homography_matrix', view)
    cropped, padded = 'img_crop_offset' in results, 'pad_size_divisor' in results
    if recorded is None and cropped and padded:
        raise ValueError(
            "a flip between a crop and Pad: add 'homography_matrix' to collected_keys of MultiViewWrapper, "
            'to know how wide the image was when it was flipped'
        )
    if recorded is None:
        return expected
    size = np.asarray(recorded, np.float64)[:2, 2]
    limit = np.array(results['img'][view].shape[1::-1]) if padded else expected
    known = size > 0
    if (size[known] > limit[known]).any() or (not padded and (size[known] != limit[known]).any()):
        raise ValueError(f'view {view} was flipped at (width, height) = {size.tolist()}; flip after resize and crop')
    return size


def _of_view(results: Mapping, key: str, view: int):
    values = results.get(key)
    return values[view] if isinstance(values, list) and values else values


def _intrinsics(matrix: Sequence[Sequence[float]]) -> np.ndarray:  # (3, 3)
    return np.array([np.asarray(row, np.float64)[:3] for row in matrix[:3]])
