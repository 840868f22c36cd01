"""Epochs of a fixed length, whose batches have a fixed number of samples from each of one or more sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from itertools import islice

import torch
from mmdet3d.registry import DATA_SAMPLERS
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler


@DATA_SAMPLERS.register_module()
class MixedSourceSampler(Sampler):
    """Put `per_batch[i]` samples of source i into each batch, shuffled, with `batches` batches per epoch.

    It is for recipes that are compared by their steps: an epoch is as long with few frames as with many. A source with
    fewer samples than an epoch needs is repeated in a new order; from a larger source, each epoch sees other samples.
    `MultiSourceSampler` of mmdet mixes in the same way, but never ends an epoch and does not resume.

    Args:
        dataset: a `ConcatDataset`, whose datasets are the sources; any other dataset is one source.
        per_batch: samples of each source in a batch; the dataloader's batch_size must be their sum.
        batches: batches of an epoch on each process; None: until every source was used once.
        seed: of the shuffling; None: a seed that all processes share.

    Raises:
        ValueError: `per_batch` does not fit the sources, or a number below 1.

    Example:
        >>> train_dataloader = dict(
        ...     batch_size=2,
        ...     sampler=dict(type='MixedSourceSampler', per_batch=[2], batches=500),
        ...     dataset=labelled,
        ... )
    """

    def __init__(
        self, dataset: Sized, per_batch: Sequence[int], batches: int | None = None, seed: int | None = None
    ) -> None:
        self.sizes = [len(source) for source in getattr(dataset, 'datasets', [dataset])]
        self.per_batch = tuple(per_batch)
        if len(self.per_batch) != len(self.sizes):
            raise ValueError(
                f'per_batch must have one number for each of the {len(self.sizes)} sources, got {self.per_batch}'
            )
        if min(self.per_batch) < 1 or (batches is not None and batches < 1):
            raise ValueError(f'per_batch and batches must be at least 1, got {self.per_batch} and {batches}')
        self.rank, self.world_size = get_dist_info()
        rounds = (-(-size // (n * self.world_size)) for size, n in zip(self.sizes, self.per_batch, strict=True))
        self.batches = max(rounds) if batches is None else batches
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(self.seed + self.epoch)
        offsets = [sum(self.sizes[:source]) for source in range(len(self.sizes))]
        dealt = []
        for size, offset, number in zip(self.sizes, offsets, self.per_batch, strict=True):
            needed = self.batches * number * self.world_size
            rounds = [torch.randperm(size, generator=generator) for _ in range(-(-needed // size))]
            own = torch.cat(rounds)[:needed].view(-1, number)[self.rank :: self.world_size]
            dealt.append(iter((own + offset).flatten().tolist()))
        for _ in range(self.batches):
            for source, number in zip(dealt, self.per_batch, strict=True):
                yield from islice(source, number)

    def __len__(self) -> int:
        """Samples of an epoch on this process."""
        return self.batches * sum(self.per_batch)

    def set_epoch(self, epoch: int) -> None:
        """Shuffle differently in each epoch."""
        self.epoch = epoch
