"""Epochs of a fixed length."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import torch
from mmdet3d.registry import DATA_SAMPLERS
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler


@DATA_SAMPLERS.register_module()
class FixedLengthSampler(Sampler):
    """Shuffled samples for a fixed number of batches per epoch, however many samples the dataset has.

    It is for recipes that are compared by their steps: an epoch is as long with few frames as with many. A dataset with
    fewer samples than an epoch needs is repeated in a new order; from a larger one, each epoch sees other samples.

    Args:
        dataset: anything with a length.
        batch_size: that of the dataloader.
        batches: of an epoch on each process.
        seed: of the shuffling; None: a seed that all processes share.

    Raises:
        ValueError: a number below 1, or an empty dataset.

    Example:
        >>> train_dataloader = dict(
        ...     batch_size=2,
        ...     sampler=dict(type='FixedLengthSampler', batch_size=2, batches=500),
        ...     dataset=labelled,
        ... )
    """

    def __init__(self, dataset: Sized, batch_size: int, batches: int, seed: int | None = None) -> None:
        if min(batch_size, batches) < 1:
            raise ValueError(f'batch_size and batches must be at least 1, got {batch_size} and {batches}')
        self.dataset_size = len(dataset)
        if not self.dataset_size:
            raise ValueError('FixedLengthSampler needs a dataset with at least one sample, got an empty one')
        self.batch_size = batch_size
        self.batches = batches
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(self.seed + self.epoch)
        needed = len(self) * self.world_size
        rounds = -(-needed // self.dataset_size)
        order = torch.cat([torch.randperm(self.dataset_size, generator=generator) for _ in range(rounds)])
        yield from order[:needed].view(-1, self.batch_size)[self.rank :: self.world_size].flatten().tolist()

    def __len__(self) -> int:
        """Samples of an epoch on this process."""
        return self.batches * self.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Shuffle differently in each epoch."""
        self.epoch = epoch
