"""How to check."""

from __future__ import annotations

from typing import NamedTuple


class Settings(NamedTuple):
    """Settings of the checks.

    Attributes:
        full: read every image, lidar file and label whole, not only those of the first keyframe of each scene.
        with_sweeps: also the frames between the keyframes.
        num_workers: threads.
        show_progress: draw progress bars.
    """

    full: bool = False
    with_sweeps: bool = False
    num_workers: int = 1
    show_progress: bool = False
