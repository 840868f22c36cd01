"""Which cameras a data set has."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence

import numpy as np

logger = logging.getLogger(__name__)


def choose_cameras(
    sets: Mapping[tuple[str, ...], tuple[int, str]],
    names: Sequence[str],
    may_miss: bool = False,
    source: str = 'ann_file',
) -> list[str]:
    """The cameras to use.

    Args:
        sets: of cameras that frames have, in the order in which they first appear -> how many frames have them, and the
            token of the first of these.
        names: requested cameras in their order; empty: all. Then frames may lack some, with a warning.
        may_miss: frames may also lack requested cameras.
        source: of the frames, for messages.

    Raises:
        ValueError: a requested camera that no frame has, or that a frame lacks without permission.
    """
    there = all_cameras([{'images': cameras} for cameras in sets])
    names = list(names) or there
    may_lack = may_miss or names is there
    lacking = [cameras for cameras in sets if not set(names) <= set(cameras)]
    if lacking and (not may_lack or not set(names) <= set(there)):
        where, found = f'frame {sets[lacking[0]][1]}', list(lacking[0])
        if may_lack:
            where, found = 'any frame', there
        missing = [name for name in names if name not in found]
        raise ValueError(f'camera_names {missing} are not among the cameras of {where} in {source}: {found}')
    if lacking and not may_miss:
        logger.warning(
            '%d of %d frames of %s, such as %s, lack some of the cameras %s: black images that count nowhere',
            sum(sets[cameras][0] for cameras in lacking),
            sum(count for count, _ in sets.values()),
            source,
            sets[lacking[0]][1],
            names,
        )
    return names


def all_cameras(frames: Sequence[Mapping]) -> list[str]:
    """The cameras of all frames, in the order of the first frame that has most of them; then the others in order.

    So a frame that lacks a camera changes nothing, even if it is the first.
    """
    fullest = max(frames, key=lambda frame: len(frame['images']), default={'images': {}})
    return list(dict.fromkeys([*fullest['images'], *(name for frame in frames for name in frame['images'])]))


class SharedNames:
    """(camera, stem of the file name) that several images share: `(camera, stem) in names`.

    Args:
        images: of each image the hashes of camera and stem, and of the path; see `image_hashes`.
    """

    def __init__(
        self,
        images: np.ndarray,  # (I, 2)
    ) -> None:
        names, paths = images[np.lexsort(images.T[::-1])].T
        differ = (names[1:] == names[:-1]) & (paths[1:] != paths[:-1])
        self._hashes = np.unique(names[1:][differ])

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, name: tuple[str, str]) -> bool:
        if not len(self):
            return False
        position = np.searchsorted(self._hashes, _hash(*name))
        return position < len(self) and self._hashes[position] == _hash(*name)


def image_hashes(
    images: Mapping[str, Mapping],
) -> list[tuple[int, int]]:
    """For each image of a frame, the hash of its camera and file stem, and the hash of its path."""
    paths = {camera: entry['img_path'] for camera, entry in images.items()}
    return [(_hash(camera, os.path.splitext(os.path.basename(path))[0]), _hash(path)) for camera, path in paths.items()]


def _hash(*texts: str) -> np.uint64:
    digest = hashlib.blake2b('\0'.join(texts).encode('utf-8', 'surrogatepass'), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, 'little'))
