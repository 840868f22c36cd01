"""How to check."""

from __future__ import annotations

from typing import NamedTuple


class Settings(NamedTuple):
    """How to check.

    Attributes:
        full: read every picture whole, not only those of each scene's first keyframe.
        with_sweeps: also the frames between the keyframes.
        num_workers: threads.
        show_progress: draw progress bars.
    """

    full: bool = False
    with_sweeps: bool = False
    num_workers: int = 1
    show_progress: bool = False
