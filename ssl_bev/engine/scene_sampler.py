"""Whole scenes for each process, for evaluation over sequences."""

from __future__ import annotations

from collections.abc import Iterator, Sized

from mmdet3d.registry import DATA_SAMPLERS
from mmengine.dist import get_dist_info
from torch.utils.data import Sampler


@DATA_SAMPLERS.register_module()
class SceneContiguousSampler(Sampler):
    """Give each process whole scenes, in the dataset's order, each sample once.

    mmengine's `DefaultSampler` distributes samples in turn, which splits scenes between processes, and repeats some
    so that all processes have the same number. Here the numbers may differ, which only evaluation can handle.

    Args:
        dataset: has `scene_tokens`, the scene of each sample.
        seed: not used; mmengine passes it to every sampler.

    Raises:
        ValueError: the dataset has no `scene_tokens`.
    """

    def __init__(self, dataset: Sized, seed: int | None = None) -> None:
        scenes = getattr(dataset, 'scene_tokens', None)
        if scenes is None:
            raise ValueError(f'SceneContiguousSampler needs dataset.scene_tokens; {type(dataset).__name__} has none')
        rank, world_size = get_dist_info()
        shares = deal_scenes(list(scenes), world_size)
        self.indices = shares[rank]

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)

    def __len__(self) -> int:
        return len(self.indices)


def deal_scenes(scenes: list[str], num_shares: int) -> list[list[int]]:
    """Split sample indices into parts of whole scenes, with lengths balanced by a greedy choice.

    Args:
        scenes: the scene of each sample.
    """
    by_scene: dict[str, list[int]] = {}
    for index, scene in enumerate(scenes):
        by_scene.setdefault(scene, []).append(index)
    shares: list[list[int]] = [[] for _ in range(num_shares)]
    for members in sorted(by_scene.values(), key=len, reverse=True):
        min(shares, key=len).extend(members)
    return [sorted(share) for share in shares]
