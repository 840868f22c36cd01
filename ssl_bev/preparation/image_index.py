"""Which images of a dataset exist."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

logger = logging.getLogger(__name__)


class ImageIndex:
    """Looks up images with one listing per folder, and records missing ones.

    Args:
        root: folder that image paths are relative to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incomplete_scenes: list[str] = []
        self._names: dict[str, set[str]] = {}
        self._missing: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def has_images(self, frame: Mapping) -> bool:
        """True if all images of a frame exist."""
        missing = [camera['img_path'] for camera in frame['images'].values() if not self.exists(camera['img_path'])]
        kind = 'keyframe images' if frame['is_keyframe'] else 'sweep images'
        self._missing[kind] += len(missing)
        for path in missing[:1]:
            self._examples.setdefault(kind, path)
        return not missing

    def report(self) -> None:
        """Log what was missing."""
        for kind, example in self._examples.items():
            logger.warning('%d %s are missing below %s, such as %s', self._missing[kind], kind, self.root, example)
        if self.incomplete_scenes:
            names = ', '.join(self.incomplete_scenes[:10]) + (', ...' if len(self.incomplete_scenes) > 10 else '')
            logger.warning('%d scenes left out, as images are missing: %s', len(self.incomplete_scenes), names)

    def exists(self, path: str) -> bool:
        """True if a path below the root exists."""
        folder, name = os.path.split(path)
        if folder not in self._names:
            full = self.root / folder
            self._names[folder] = set(os.listdir(full)) if full.is_dir() else set()
        return name in self._names[folder]
