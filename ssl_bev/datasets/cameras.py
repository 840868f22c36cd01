"""Which cameras a data set has."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence

logger = logging.getLogger(__name__)


def choose_cameras(
    frames: Sequence[Mapping], names: Sequence[str], may_miss: bool = False, source: str = 'ann_file'
) -> list[str]:
    """The cameras to use.

    Args:
        frames: of info files.
        names: wanted cameras in their order; empty: all. Then frames may lack some, which a warning says.
        may_miss: frames may lack wanted cameras too.
        source: of the frames, for messages.

    Raises:
        ValueError: a wanted camera that no frame has, or that one lacks and may not.
    """
    there = all_cameras(frames)
    names = list(names) or there
    may_lack = may_miss or names is there
    lacking = [frame for frame in frames if not set(names) <= set(frame['images'])]
    if lacking and (not may_lack or not set(names) <= set(there)):
        where, found = (f'frame {lacking[0]["token"]}', list(lacking[0]['images']))
        if may_lack:
            where, found = 'any frame', there
        missing = [name for name in names if name not in found]
        raise ValueError(f'camera_names {missing} are not among the cameras of {where} in {source}: {found}')
    if lacking and not may_miss:
        logger.warning(
            '%d of %d frames of %s, such as %s, lack some of the cameras %s: black images that count nowhere',
            len(lacking),
            len(frames),
            source,
            lacking[0]['token'],
            names,
        )
    return names


def all_cameras(frames: Sequence[Mapping]) -> list[str]:
    """The cameras of all frames, in the order of the first frame that has most of them; then others as they come.

    So a frame that lacks a camera changes nothing, be it the first.
    """
    fullest = max(frames, key=lambda frame: len(frame['images']), default={'images': {}})
    return list(dict.fromkeys([*fullest['images'], *(name for frame in frames for name in frame['images'])]))


def shared_names(frames: Sequence[Mapping]) -> frozenset[tuple[str, str]]:
    """(camera, stem of the file name) that several images have: no name for their labels."""
    paths: dict[tuple[str, str], str] = {}
    shared = set()
    for frame in frames:
        for camera, entry in frame['images'].items():
            name = camera, os.path.splitext(os.path.basename(entry['img_path']))[0]
            if paths.setdefault(name, entry['img_path']) != entry['img_path']:
                shared.add(name)
    return frozenset(shared)
