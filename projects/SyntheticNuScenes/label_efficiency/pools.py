"""Which towns serve which purpose."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pool:
    """Towns of one purpose.

    Args:
        split: of the generator; towns of another split have another size and look like no training town.
        seed: of the first town; the others count on.
        towns, scenes, frames: how many towns, scenes in each, keyframes in each scene.
    """

    split: str
    seed: int
    towns: int
    scenes: int
    frames: int


POOLS = {
    'train': Pool('train', 100, 4, 10, 8),
    'unlabelled': Pool('train', 200, 8, 10, 8),
    'val': Pool('val', 300, 2, 10, 3),
    'test': Pool('val', 400, 3, 10, 4),
}
# Enough to see that everything runs.
TOY_POOLS = {
    'train': Pool('train', 100, 1, 2, 2),
    'unlabelled': Pool('train', 200, 1, 1, 2),
    'val': Pool('val', 300, 1, 1, 2),
    'test': Pool('val', 400, 1, 1, 2),
}
