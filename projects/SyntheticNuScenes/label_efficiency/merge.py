"""Several data sets in one folder: common info files and common label files, so that one dataset reads them all."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from ssl_bev.datasets.bev_label_files import MAX_CLASSES, label_path, read_label_manifest, write_label_manifest
from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.files import read_picture, write_bytes, write_png

INFOS = 'ssl_bev_infos_{}.pkl'
TRUTH_PREFIX = 'exact_'


def merge_infos(root: Path, parts: Sequence[str], split: str, target: str) -> int:
    """Write the info files of data sets below `root` as one, with image paths that start from `root`.

    Args:
        parts: folders of the data sets, relative to `root`.
        split: of the parts' info files.
        target: split in the name of the written file.

    Returns:
        How many keyframes it holds.

    Raises:
        ValueError: a frame token that occurs twice, as its label files would be one.
    """
    frames: list[dict] = []
    for part in parts:
        content = read_info_file(root / part / INFOS.format(split), ['merging'])
        for keyframe in content['data_list']:
            for frame in (keyframe, *keyframe.get('sweeps', ())):
                for camera in frame['images'].values():
                    camera['img_path'] = f'{part}/{camera["img_path"]}'
            frames.append(keyframe)
    tokens = [frame['token'] for frame in frames]
    if len(set(tokens)) < len(tokens):
        raise ValueError(f'{", ".join(parts)} share frame tokens: they were generated with the same seed')
    for index, frame in enumerate(frames):
        frame['sample_idx'] = index
    merged = {'metainfo': content['metainfo'], 'data_list': frames}
    write_bytes(root / INFOS.format(target), pickle.dumps(merged, protocol=4))
    return len(frames)


def merge_labels(
    root: Path, parts: Sequence[str], target: str, truth: str | None = None, source: str = 'bev_labels'
) -> int:
    """Collect the BEV labels of data sets in the folder `target` of `root`, and return their number.

    Args:
        parts: folders of the data sets, relative to `root`.
        truth: a second label folder of each part, for the same frames: its classes follow those of the first, with
            `TRUTH_PREFIX` before their names.
        source: label folder of each part.

    Raises:
        ValueError: labels that differ in classes, grid or frame, or more classes than a label file holds.
    """
    manifests = [read_label_manifest(root / part / source) for part in parts]
    different = [part for part, manifest in zip(parts, manifests, strict=True) if manifest != manifests[0]]
    if different:
        raise ValueError(f'the BEV labels of {different} and of {parts[0]} have different classes, grids or frames')
    manifest = manifests[0]
    classes, number = list(manifest['classes']), len(manifest['classes'])
    if truth:
        classes += [TRUTH_PREFIX + name for name in classes]
    if len(classes) > MAX_CLASSES:
        raise ValueError(f'{len(classes)} classes do not fit into a label file, which holds {MAX_CLASSES}')
    write_label_manifest(
        root / target, classes, manifest['grid'], manifest['line_width'], manifest['bev_frame'], manifest['version'],
        manifest.get('line_widths'),
    )  # fmt: skip
    count = 0
    for part in parts:
        for file in sorted((root / part / source).glob('*.png')):
            count += 1
            path = label_path(root / target, file.stem)
            if path.is_file():
                continue
            bits = read_picture(file, cv2.IMREAD_UNCHANGED, f'label of {file.stem}')
            if truth:
                exact = read_picture(root / part / truth / file.name, cv2.IMREAD_UNCHANGED, f'truth of {file.stem}')
                bits = bits | (exact << np.uint16(number))
            write_png(path, bits)
    return count


def scene_numbers(root: Path, splits: Sequence[str]) -> dict[str, dict[str, int]]:
    """Scenes, keyframes and all camera frames of each merged info file."""
    return {split: _numbers(read_info_file(root / INFOS.format(split))['data_list']) for split in splits}


def _numbers(frames: Sequence[Mapping]) -> dict[str, int]:
    return {
        'scenes': len({frame['scene_token'] for frame in frames}),
        'keyframes': len(frames),
        'frames': sum(1 + len(frame.get('sweeps', ())) for frame in frames),
    }
